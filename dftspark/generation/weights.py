"""The files of a model that is loaded here: which they are, and their digest.

Weights are read only from safetensors, and no code of a model is run: other formats, and whatever
`auto_map` of a configuration names, could do anything.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path

from dftspark.errors import ConfigError

_READ = ("*.safetensors", "*.json", "*.jinja", "*.model", "*.txt")


@lru_cache(maxsize=8)
def digest(path: str, setting: str = "generate.models") -> str:
    """Returns SHA-256 over names and contents of the files that decide what the model writes.
    `setting` is what errors name.

    Raises ConfigError for a folder that is not a model's, or whose model needs what is never read:
    weights that are not safetensors, or its own code.
    """
    folder = Path(path).expanduser()
    if not (folder / "config.json").is_file():
        found = "holds no config.json" if folder.is_dir() else "is not there"
        raise ConfigError(f"{setting}: the folder {path} {found} on this machine")
    if not list(folder.glob("*.safetensors")):
        raise ConfigError(
            f"{setting}: {path} has no *.safetensors, and other weights are never read, for "
            f"they can carry code; save the model again with save_pretrained"
        )
    settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if "auto_map" in settings:
        raise ConfigError(
            f"{setting}: the model in {path} brings code of its own (auto_map), which is "
            f"never run; serve it with an engine that does, and name its url"
        )
    whole = hashlib.sha256()
    for file in sorted({file for pattern in _READ for file in folder.glob(pattern)}):
        with file.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        whole.update(f"{file.name}\0{content}\n".encode())
    return whole.hexdigest()

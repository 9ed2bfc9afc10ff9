"""LoRA on a model folder: a new one, a stored one at a scale, and the folder merged with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dftspark.config.tune import Training
from dftspark.errors import ConfigError
from dftspark.tuning.encoding import SETTING, missing
from dftspark.tuning.model_folder import saved


def merge(model: str | Path, adapter: str | Path, scale: float, out: str | Path) -> Path:
    """Writes the model folder `out`: `model` with `scale` times the LoRA added to its weights.

    Weights are added in float32 and kept in the type that they have in `model`. Tokenizer and other
    files are those of `model`. An existing `out` is replaced.
    """
    base = loaded(model, "float32", "cpu")
    if scale:
        base = with_adapter(base, adapter, scale).merge_and_unload(safe_merge=True)
    return saved(base, Path(model).expanduser(), Path(out))


def loaded(model: str | Path, dtype: str, device: str) -> Any:
    """Returns the model of a folder in evaluation, so that a step depends on its texts alone."""
    try:
        import torch
        from transformers import AutoModelForCausalLM
    except ImportError as error:
        raise missing(error) from error
    net: Any = AutoModelForCausalLM.from_pretrained(
        str(Path(model).expanduser()),
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=False,
        dtype=getattr(torch, dtype),
    )
    return net.to(device).eval()


def with_new_adapter(base: Any, settings: Training) -> Any:
    """Returns the model with a LoRA that changes nothing yet. Its first weights come from torch's
    generator. Raises ConfigError for `targets` or `layers` that the model has not."""
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise missing(error) from error
    layers = _check_layers(base, settings)
    own = None
    if settings.layers is not None:
        own = list(range(layers - settings.layers, layers))
    check_targets(base, settings.targets)
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=0.0,
        target_modules=list(settings.targets),
        bias="none",
        task_type="CAUSAL_LM",
        layers_to_transform=own,
    )
    return get_peft_model(base, config).eval()


def check(model: str | Path, settings: Training) -> None:
    """Raises ConfigError if the model of a folder cannot take the LoRA; reads no weights."""
    try:
        import torch
        from transformers import AutoConfig, AutoModelForCausalLM
    except ImportError as error:
        raise missing(error) from error
    config: Any = AutoConfig.from_pretrained(
        str(Path(model).expanduser()), local_files_only=True, trust_remote_code=False
    )
    with torch.device("meta"):
        auto: Any = AutoModelForCausalLM
        base: Any = auto.from_config(config, trust_remote_code=False)
    _check_layers(base, settings)
    check_targets(base, settings.targets)


def _check_layers(base: Any, settings: Training) -> int:
    layers = int(base.config.num_hidden_layers)
    if settings.layers is not None and settings.layers > layers:
        raise ConfigError(
            f"training.layers = {settings.layers}, and the model has {layers} of them"
        )
    return layers


def check_targets(base: Any, targets: Sequence[str]) -> None:
    """Raises ConfigError that lists the linear layers of a model, if it lacks one of `targets`."""
    head = base.get_output_embeddings()
    there = sorted(
        {
            name.rpartition(".")[2]
            for name, module in base.named_modules()
            if type(module).__name__ in ("Linear", "Conv1D") and module is not head
        }
    )
    strange = [name for name in targets if name not in there]
    if strange:
        raise ConfigError(
            f"training.targets: the model of {SETTING} has no layers {strange}; it has "
            f"{', '.join(there)}"
        )


def with_adapter(base: Any, adapter: str | Path, scale: float) -> Any:
    """Returns the model with `scale` times the LoRA of a folder."""
    from peft import PeftModel
    from peft.tuners.lora import LoraLayer

    net: Any = PeftModel.from_pretrained(base, str(adapter), local_files_only=True)
    for module in net.modules():
        if isinstance(module, LoraLayer):
            module.scale_layer(scale)
    return net.eval()

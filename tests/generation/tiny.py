"""A language model of thousands of weights, made in a second: no test needs a download."""

from __future__ import annotations

from pathlib import Path
from typing import Any

WORDS = ["<pad>", "<end>", "<unk>", *(f"w{i}" for i in range(45))]


def model(folder: Path, seed: int = 0) -> Path:
    """A Llama with random weights and a tokenizer of words, saved as transformers saves models."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    make: Any = PreTrainedTokenizerFast
    tokens = make(tokenizer_object=words, eos_token="<end>", pad_token="<pad>", unk_token="<unk>")
    torch.manual_seed(seed)
    made = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(WORDS),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=64,
            eos_token_id=1,
            pad_token_id=0,
            bos_token_id=None,
            initializer_range=0.5,
        )
    )
    made.save_pretrained(folder)
    tokens.save_pretrained(folder)
    return folder

"""Texts of a model that is loaded here: against transformers' own, and what they depend on."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dftspark.config.generate import Generation, Writer
from dftspark.errors import ConfigError, EnvironmentProblem, InputError
from dftspark.generation import run as generation
from dftspark.generation.local import Local, Wanted
from dftspark.generation.texts import Text
from dftspark.generation.weights import digest
from tests.generation import tiny

pytestmark = pytest.mark.embedder

PROMPTS = ["w1 w2 w3", "w4", "w5 w6 w7 w8 w9 w10", "w11 w12"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("transformers")
    return tiny.model(tmp_path_factory.mktemp("tiny"))


def local(folder: Path, **more: Any) -> Local:
    return Local(Writer(name="tiny", path=str(folder), **{"max_tokens": 12, **more}), "cpu")


def wanted(seeds: range = range(4)) -> list[Wanted]:
    return [Wanted(bytes([i]), PROMPTS[i % 4], seed) for i, seed in enumerate(seeds)]


def written(own: Local, of: list[Wanted], **setting: float) -> dict[bytes, Text]:
    return dict(own.write(of, setting))


@pytest.mark.parametrize("prompt", PROMPTS)
def test_pieces_of_a_text_are_the_text(folder: Path, prompt: str) -> None:
    own = local(folder)
    for seed in range(4):
        ((_, whole),) = own.write([Wanted(b"", prompt, seed)], {"temperature": 1.0})
        pieces = list(own.pieces(prompt, seed, {"temperature": 1.0}))
        assert "".join(piece.text for piece in pieces) == (whole.text or "")
        assert [piece.finish_reason for piece in pieces if piece.finish_reason] == [
            whole.finish_reason
        ]
        assert not pieces[-1].text or len(pieces) > 1


def test_pieces_of_a_prompt_that_fills_the_context_are_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="the prompt has 64 tokens, and the model's context 64"):
        next(local(folder).pieces(" ".join(["w1"] * 64), 0, {}))


def test_without_temperature_it_writes_what_transformers_writes(folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model: Any = AutoModelForCausalLM.from_pretrained(folder)
    tokens = AutoTokenizer.from_pretrained(folder)
    found = written(local(folder), wanted(), temperature=0)
    for one in wanted():
        ids = tokens(one.prompt, return_tensors="pt")
        with torch.inference_mode():
            out = model.generate(
                input_ids=ids["input_ids"],
                attention_mask=ids["attention_mask"],
                do_sample=False,
                max_new_tokens=12,
            )
        own = out[0, ids["input_ids"].shape[1] :]
        text = found[one.key]
        assert (text.text or "") == tokens.decode(own, skip_special_tokens=True)
        assert text.finish_reason == ("stop" if 1 in own.tolist() else "length")
        assert text.tokens_in == ids["input_ids"].shape[1]


def test_a_text_is_that_of_its_seed_in_any_company(folder: Path) -> None:
    own, alone = local(folder), local(folder, batch=1)
    every = written(own, wanted(), temperature=1.0)
    for one in wanted():
        assert written(alone, [one], temperature=1.0)[one.key] == every[one.key]
    others = written(own, wanted(range(4, 8)), temperature=1.0)
    assert {k: t.text for k, t in others.items()} != {k: t.text for k, t in every.items()}


def test_settings_with_one_seed_are_alike(folder: Path) -> None:
    own, many = local(folder), wanted(range(40))
    hot, warm, cold = (written(own, many, temperature=t) for t in (1.0, 0.98, 0.3))

    def shared(other: dict[bytes, Text]) -> float:
        pairs = [((hot[k].text or "").split(), (other[k].text or "").split()) for k in hot]
        return float(np.mean([a[:1] == b[:1] for a, b in pairs]))

    assert shared(warm) > 0.8
    assert shared(warm) > shared(cold)


def test_draws_follow_the_probabilities(folder: Path) -> None:
    import torch

    own = local(folder)
    logits = torch.tensor([[0.0, 1.0, 2.0, -1.0]]).repeat(4_000, 1)
    draws = (np.arange(4_000) + 0.5) / 4_000
    for setting, kept in (
        ({"temperature": 1.0}, [0, 1, 2, 3]),
        ({"temperature": 0.5}, [0, 1, 2, 3]),
        ({"temperature": 1.0, "top_k": 2}, [1, 2]),
        ({"temperature": 1.0, "top_p": 0.7}, [1, 2]),
        ({"temperature": 1.0, "min_p": 0.2}, [1, 2]),
        ({"temperature": 1.0, "top_p": 0.5}, [2]),
    ):
        counts = Counter(own._drawn(logits, draws, setting).tolist())
        assert sorted(counts) == kept, setting
        weights = np.exp(np.array([0.0, 1.0, 2.0, -1.0])[kept] / setting["temperature"])
        for token, share in zip(kept, weights / weights.sum(), strict=True):
            assert counts[token] / 4_000 == pytest.approx(share, abs=1e-3), setting


def test_a_prompt_beyond_the_context_says_so(folder: Path) -> None:
    long = Wanted(b"x", " ".join(["w1"] * 80), 1)
    found = written(local(folder), [long, *wanted()], temperature=1.0)
    assert (found[b"x"].text, found[b"x"].problem) == (None, "too long")
    assert len(found) == 5


def test_only_safetensors_are_read_and_no_code_is_run(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not there"):
        digest(str(tmp_path / "nowhere"))
    pickled = shutil.copytree(folder, tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    with pytest.raises(ConfigError, match=r"no \*.safetensors"):
        digest(str(pickled))
    coded = shutil.copytree(folder, tmp_path / "coded")
    settings = json.loads((coded / "config.json").read_text())
    (coded / "config.json").write_text(json.dumps({**settings, "auto_map": {"x": "y.Z"}}))
    with pytest.raises(ConfigError, match="auto_map"):
        digest(str(coded))


def test_other_weights_are_another_model(folder: Path, tmp_path: Path) -> None:
    assert digest(str(tiny.model(tmp_path / "other", seed=1))) != digest(str(folder))
    assert digest(str(tiny.model(tmp_path / "same"))) == digest(str(folder))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"name": "m"}, "either urls, or the path"),
        ({"name": "m", "path": "x", "urls": ["http://x/v1"]}, "either urls, or the path"),
        ({"name": "m", "urls": ["http://x/v1"]}, "the name that it has there"),
    ],
)
def test_a_model_is_at_addresses_or_in_a_folder(model: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Writer(**model)


def config(folder: Path, out: Path, **more: Any) -> Generation:
    (out / "briefs.jsonl").write_text(
        "\n".join(json.dumps({"prompt_id": f"p{i}", "prompt": PROMPTS[i % 4]}) for i in range(9))
    )
    return Generation.model_validate(
        {
            "out": str(out / "runs"),
            "generate": {
                "briefs": str(out / "briefs.jsonl"),
                "samples": 2,
                "sampler": {"temperature": [0.5, 1.0]},
                "models": [
                    {"name": "tiny", "path": str(folder), "max_tokens": 12, "batch": 4, **more}
                ],
            },
        }
    )


def test_what_local_cannot_do_is_told(folder: Path, tmp_path: Path) -> None:
    own = config(folder, tmp_path).model_dump()
    own["generate"]["sampler"] = {"repetition_penalty": (1.1,)}
    with pytest.raises(ValueError, match="not \\['repetition_penalty'\\]"):
        Generation.model_validate(own)
    with pytest.raises(EnvironmentProblem, match="loaded by Spark's tasks"):
        generation.generate(config(folder, tmp_path))

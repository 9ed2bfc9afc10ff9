"""Constructions of one text in their places, and the human band beside them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from scipy import stats

from dftspark.errors import ConfigError
from dftspark.lenses.structure import document_vectors
from dftspark.lenses.structure.catalogue import all_measures
from dftspark.store.listing import open_run
from dftspark.writing.band import HumanBand, HumanRate, central, shape
from dftspark.writing.marks import marked
from tests.report.page_runs import metrics, publish, row

TEXT = (
    "“It's not a fox.” It's not a fox, it's a rumor — dry, warm, and quiet.\n\nHowever, naïve 🦊!"
)


def test_the_parts_are_the_text() -> None:
    for text in (TEXT, "", " \n", "\u202eabc", "a" * 5_000, TEXT * 20):
        assert "".join(part.text for part in marked(text).parts) == text


def test_every_occurrence_is_marked_where_it_stands() -> None:
    text = marked(TEXT)
    names = {one.number: one.name for one in text.constructions if one.number}
    ends = [names[n] for part in text.parts for n in part.ending]
    assert ends == ["contrast not x it is y", "em dash", "triad words", "opener connective"]
    stretches = dict.fromkeys(ends, "")
    for part in text.parts:
        for number in part.inside:
            stretches[names[number]] += part.text
    assert stretches["em dash"] == "—"
    assert stretches["opener connective"] == "However"
    assert stretches["triad words"].endswith("dry, warm, and quiet")
    assert stretches["contrast not x it is y"].startswith("It's not a fox, it's")
    assert text.em_dashes == 1
    assert list(names) == [1, 2, 3, 4]


def test_what_stands_in_every_sentence_is_counted_and_not_marked() -> None:
    common = {one.name: one.count for one in marked(TEXT).constructions if not one.number}
    assert common["contraction"] == 3
    assert common["exclamation"] == 1


def test_no_number_adds_the_constructions_up() -> None:
    fields = set(vars(marked(TEXT)))
    assert fields == {"parts", "constructions", "words", "em_dashes"}


@pytest.mark.parametrize("k", [0.05, 1.0, 6.5, 1e6])
@pytest.mark.parametrize("mean", [1e-3, 0.5, 4.0, 40.0])
def test_the_band_is_that_of_the_distribution(mean: float, k: float) -> None:
    wanted = stats.nbinom.ppf([0.025, 0.975], k, k / (k + mean))
    assert central(mean, k) == tuple(max(int(value), 0) for value in wanted)
    assert central(0.0, k) == (0, 0)


def test_the_shape_comes_from_the_share_without_any() -> None:
    for k in (0.1, 1.0, 7.0):
        for mean in (0.2, 3.0):
            assert shape(mean, (1 + mean / k) ** -k) == pytest.approx(k, rel=1e-6)
    assert shape(2.0, math.exp(-2.0)) == 1e6
    assert shape(2.0, 0.0) == 1e6


@pytest.mark.data
@pytest.mark.parametrize("corpus", ["outfox", "biscope"])
def test_human_documents_lie_in_the_band_of_other_human_documents(data: Path, corpus: str) -> None:
    """Rates of one half, documents of the other. 95% are meant; with 500 documents or more a share
    of them is .92 or less by chance once in 300 times, so three points are left for the model."""
    table = pq.read_table(data / f"{corpus}.parquet", columns=["text", "model"])
    human = table.filter(pc.is_null(table["model"]))["text"].drop_null().to_pylist()[:2_000]
    names = document_vectors.columns()
    texts, clusters = (pa.array(each, pa.string()) for each in (human, map(str, range(len(human)))))
    counts = document_vectors.of(texts, clusters).counts
    columns = dict(zip(names, counts.T, strict=True))
    taken = np.random.default_rng(0).random(len(human)) < 0.5
    shares = {}
    for measure in all_measures():
        if measure.kind == "pattern":
            counted, sizes = columns[measure.id], columns[measure.denominator]
            mean, absent = counted[taken].mean(), (counted[taken] == 0).mean()
            rate = HumanRate.of(counted[taken].sum() / sizes[taken].sum(), mean, absent)
            bands = [rate.central(size) for size in sizes[~taken].tolist()]
            if None not in bands:
                low, high = np.array(bands).T
                shares[measure.id] = ((low <= counted[~taken]) & (counted[~taken] <= high)).mean()
    assert len(shares) > 45
    assert min(shares.values()) > 0.92, min(shares, key=lambda name: shares[name])
    assert np.mean(list(shares.values())) > 0.95


def test_what_nearly_every_document_has_is_given_no_band() -> None:
    assert HumanRate.of(0.3, 120.0, 0.0).central(400) is None
    assert HumanRate.of(0.002, 1.0, 0.5).central(400) == central(0.8, shape(1.0, 0.5))


def test_the_band_grows_with_the_text() -> None:
    band = HumanBand("essays", 100, {"em_dash": HumanRate(0.002, 2.0)})
    bands = [band.of("em_dash", words) for words in (100, 1_000, 10_000)]
    assert bands == [central(0.2, 2.0), central(2.0, 2.0), central(20.0, 2.0)]
    assert band.of("semicolon", 100) is None


def test_the_band_is_read_from_a_run(tmp_path: Path) -> None:
    shared = {
        "human": "human",
        "model": "gpt",
        "pattern": "em_dash",
        "kind": "pattern",
        "rate_human": 2.0,
        "stratum": "",
    }
    rows = [row("patterns", **shared, count_human=500, share_human=0.5)]
    sides = [row("corpora", corpus="human", role="human", documents=250)]
    tables = {"metrics": metrics("gpt"), "patterns": rows, "corpora": sides}
    band = HumanBand.of_run(publish(tmp_path, tables))
    assert (band.name, band.documents) == ("human", 250)
    assert band.rates["em_dash"].rate == 0.002
    assert band.rates["em_dash"].shape == pytest.approx(shape(2.0, 0.5))


def test_a_run_without_constructions_is_refused(tmp_path: Path) -> None:
    run = open_run(str(tmp_path), publish(tmp_path, {"metrics": metrics("gpt")}).id)
    with pytest.raises(ConfigError, match=r"write\.human: .* has no table patterns, only metrics"):
        HumanBand.of_run(run)

"""The structure lens on made-up text: planted rates are found in their size, equal sides are not
found, and every row can be recomputed from the documents."""

from __future__ import annotations

from functools import cache

import numpy as np
import pyarrow as pa
import pytest

from dftspark import config
from dftspark.lenses.metric import Metric
from dftspark.lenses.structure import compared as structure
from dftspark.lenses.structure import document_vectors, measures, patterns
from dftspark.lenses.structure.catalogue import all_measures, labeled
from dftspark.lenses.structure.statistic import Structure, StructureSums
from dftspark.stats import cluster_hashes
from dftspark.testing.synthetic import Phrase, SyntheticSource

SETTINGS = config.Inference(splits=60, permutations=99)
ELSEWHERE = 10_000_000


def sums(texts: list[str] | pa.Array, clusters: list[str] | pa.Array) -> StructureSums:
    vectors = document_vectors.of(pa.array(texts), pa.array(clusters))
    return Structure().observe(vectors)


def drawn(source: SyntheticSource, n: int, role: str = "human", start: int = 0) -> StructureSums:
    batch = source.documents(n, start=start, role=role)  # type: ignore[arg-type]
    # Made-up words are lower case; sentences need capitals.
    texts = pa.array([sentence_case(text) for text in batch["text"].to_pylist()])
    return sums(texts, batch["prompt_id"])


def sentence_case(text: str) -> str:
    return ". ".join(part[:1].upper() + part[1:] for part in text.split(". "))


def rows(human: StructureSums, model: StructureSums) -> dict[str, structure.MeasureRow]:
    found = structure.compared(human, model, paired=False, settings=SETTINGS)
    return {row.measure.id: row for row in found.rows}


@cache
def planted() -> dict[str, structure.MeasureRow]:
    source = SyntheticSource(
        seed=5,
        vocabulary=3_000,
        topics=20,
        mean_tokens=200,
        phrases=(
            Phrase(text="a sense of unity", per_thousand=1.0, times=3),
            Phrase(text="it is important to note", per_thousand=0.7, times=1),
            Phrase(text="apparently", per_thousand=2.0, times=0.5),
        ),
    )
    return rows(drawn(source, 800), drawn(source, 500, "model", ELSEWHERE))


@pytest.mark.parametrize(
    ("pattern", "rate", "times"),
    [("feeling_formula", 1.0, 3), ("importance_caveat", 0.7, 1), ("hedge", 2.0, 0.5)],
)
def test_a_planted_rate_is_found_in_its_size(pattern: str, rate: float, times: float) -> None:
    row = planted()[pattern]
    assert row.ci_low <= times <= row.ci_high
    assert abs(row.human - rate) < 4 * np.sqrt(rate / 160)  # 160,000 words, Poisson counts
    assert (row.q_value < 0.001) == (times != 1)
    assert row.outside == (times != 1)


def test_what_was_not_planted_is_not_found() -> None:
    touched = {"feeling_formula", "importance_caveat", "hedge", "function_words"}
    few = [
        row.measure.id
        for row in planted().values()
        if row.q_value < 0.05 and row.measure.kind == "pattern" and row.measure.id not in touched
    ]
    assert len(few) <= 1


def test_a_row_is_what_the_documents_say() -> None:
    texts = ["It's not x, it's y. So it is.", "Perhaps. Maybe so.", "Nothing here at all."]
    human = sums([t for t in texts for _ in range(10)], [f"p{i}" for i in range(30)])
    model = sums(texts[1:2] * 20, [f"q{i}" for i in range(20)])
    row = rows(human, model)["hedge"]
    words = 10 * (9 + 3 + 4)  # x and y are words, 's is part of one
    assert row.count_human == 20
    assert row.count_model == 40
    assert row.human == pytest.approx(1000 * 20 / (words - 10))
    assert row.share_human == pytest.approx(1 / 3)
    assert row.share_model == 1
    assert row.ratio == pytest.approx(row.model / row.human, rel=0.05)  # shrunk a little


def test_few_clusters_give_values_and_no_inference() -> None:
    human = sums(["One two. Three."] * 6, ["p", "q"] * 3)
    found = rows(human, human)
    assert found["sentence_length"].human == pytest.approx(1.5)
    assert np.isnan(found["sentence_length"].band)
    assert not found["sentence_length"].outside


def test_an_empty_side_is_nan_and_no_error() -> None:
    human = sums(["One two. Three."] * 40, [f"p{i}" for i in range(40)])
    for pair in ((human, Structure().empty()), (Structure().empty(), human)):
        found = rows(*pair)
        assert np.isnan(found["sentence_length"].p_value)
        assert not any(row.outside for row in found.values())


def test_another_script_is_measured_against_the_human_one() -> None:
    russian = sums(["Он дом. Это кот."] * 40, [f"p{i}" for i in range(40)])
    mixed = sums(["Он дом. This кот."] * 40, [f"q{i}" for i in range(40)])
    row = rows(russian, mixed)["other_script"]
    assert (row.human, row.model) == (0, 250)
    assert (row.share_human, row.share_model) == (0, 1)


def test_clusters_are_counted_exactly_while_few_and_about_right_beyond() -> None:
    few = sums(["a"] * 90, [f"p{i % 45}" for i in range(90)])
    assert cluster_hashes.count_of(few) == 45
    many = sums(["a"] * 4000, [f"p{i}" for i in range(4000)])
    assert len(many.clusters) == cluster_hashes.KEPT
    assert cluster_hashes.count_of(many) == pytest.approx(
        4000, rel=4 / np.sqrt(cluster_hashes.KEPT)
    )


# --- human against human --------------------------------------------------------------------------


def flagged(runs: int, sizes: tuple[int, int]) -> tuple[float, float]:
    """Share of measures outside the band, and of p-values below 0.05, one source on both sides."""
    source = SyntheticSource(
        seed=8,
        vocabulary=3_000,
        topics=20,
        mean_tokens=150,
        phrases=(
            Phrase(text="apparently", per_thousand=1.5),
            Phrase(text="a sense of unity", per_thousand=0.3),
        ),
    )
    outside, significant = [], []
    for i in range(runs):
        human = drawn(source, sizes[0], start=sizes[0] * i)
        model = drawn(source, sizes[1], "model", ELSEWHERE + sizes[1] * i)
        found = rows(human, model).values()
        outside += [row.outside for row in found if np.isfinite(row.p_value)]
        significant += [row.p_value < 0.05 for row in found if np.isfinite(row.p_value)]
    return float(np.mean(outside)), float(np.mean(significant))


@pytest.mark.simulation
@pytest.mark.parametrize(
    "sizes",
    [
        (300, 300),
        (300, 60),
        pytest.param((60, 300), marks=pytest.mark.slow),
        pytest.param((100, 1000), marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("runs", [6, pytest.param(60, marks=pytest.mark.slow)])
def test_human_against_human_flags_no_more_than_it_says(runs: int, sizes: tuple[int, int]) -> None:
    outside, significant = flagged(runs, sizes)
    # Measures of one run depend on one another, so a run counts as one draw of a share.
    error = 4 * np.sqrt(0.05 * 0.95 / (3 * runs))
    assert outside <= 0.05 + error
    assert significant <= 0.06 + error


def test_what_no_human_of_few_has_is_outside_only_where_chance_would_not_do_it() -> None:
    human = sums(["One two three. Four."] * 40, [f"p{i}" for i in range(40)])
    plain, perhaps = "One two three. Four.", "Perhaps one two. Four."
    for share, outside in ((0.05, False), (0.5, True)):
        texts = [perhaps] * int(400 * share) + [plain] * int(400 * (1 - share))
        row = rows(human, sums(texts, [f"q{i}" for i in range(400)]))["hedge"]
        assert row.count_human == 0
        assert row.count_model == 400 * share
        assert row.outside == outside


def test_what_one_side_never_has_leaves_its_ratio_open() -> None:
    human = sums(["One two three. Four."] * 40, [f"p{i}" for i in range(40)])
    model = sums(["Perhaps one two. Four."] * 40, [f"q{i}" for i in range(40)])
    assert rows(human, model)["hedge"].ci_high == np.inf
    assert rows(model, human)["hedge"].ci_low == 0


def metrics(human: StructureSums, model: StructureSums) -> dict[str, Metric]:
    found = structure.compared(human, model, paired=False, settings=SETTINGS)
    return {metric.name: metric for metric in found.metrics}


def test_the_summary_of_one_source_and_of_two() -> None:
    source = SyntheticSource(seed=12, vocabulary=3_000, topics=20, mean_tokens=150)
    human, model = drawn(source, 300), drawn(source, 200, "model", ELSEWHERE)
    alike = metrics(human, model)
    assert alike["structure_omnibus"].inference.p_value > 0.01
    assert alike["structure_factor"].value < 1.2
    texts = [
        f"{text} Apparently so. It is, perhaps, important." for text in sentence_texts(source, 200)
    ]
    off = metrics(human, sums(texts, [f"q{i}" for i in range(200)]))
    omnibus = off["structure_omnibus"]
    assert omnibus.value > omnibus.inference.floor
    assert omnibus.inference.p_value < 1e-6
    assert omnibus.inference.n_tell < 16
    assert off["structure_outside"].value > off["structure_outside"].inference.floor
    assert off["structure_factor"].value > alike["structure_factor"].value
    assert off["structure_factor"].inference.p_value == omnibus.inference.p_value


def sentence_texts(source: SyntheticSource, n: int) -> list[str]:
    batch = source.documents(n, start=ELSEWHERE, role="model")
    return [sentence_case(text) for text in batch["text"].to_pylist()]


@pytest.mark.simulation
@pytest.mark.parametrize("sizes", [(150, 150), (40, 400), (400, 40)])
def test_level_of_summaries_and_distributions_at_unlike_sizes(sizes: tuple[int, int]) -> None:
    """B14, B15: one source on both sides; a value is above its floor where p < .05 (B5)."""
    source = SyntheticSource(seed=13, vocabulary=2_000, topics=20, mean_tokens=100)
    runs, found = 25, []
    for i in range(runs):
        human = drawn(source, sizes[0], start=sizes[0] * i)
        model = drawn(source, sizes[1], "model", ELSEWHERE + sizes[1] * i)
        found.append(metrics(human, model))
    for name in found[0]:
        told = [each[name] for each in found if np.isfinite(each[name].inference.p_value)]
        low = [metric.inference.p_value < 0.05 for metric in told]
        assert low == [metric.value > metric.inference.floor for metric in told]
        # At most .12 as asked for, and four binomial standard errors of 25 runs beyond .05.
        assert np.sum(low) <= max(0.12, 0.05 + 4 * np.sqrt(0.05 * 0.95 / runs)) * runs, name


@pytest.mark.simulation
def test_intervals_of_ratios_cover() -> None:
    source = SyntheticSource(
        seed=9,
        vocabulary=3_000,
        topics=20,
        mean_tokens=120,
        phrases=(Phrase(text="apparently", per_thousand=2.0, times=1.6),),
    )
    covered = []
    for i in range(60):
        human = drawn(source, 150, start=150 * i)
        model = drawn(source, 100, "model", ELSEWHERE + 100 * i)
        row = rows(human, model)["hedge"]
        covered.append(row.ci_low <= 1.6 <= row.ci_high)
    assert np.mean(covered) >= 0.95 - 4 * np.sqrt(0.05 * 0.95 / 60)


# --- the list of measures -------------------------------------------------------------------------


def test_every_measure_says_what_it_is() -> None:
    found = all_measures()
    assert len({m.id for m in found}) == len(found)
    known = {*document_vectors.columns(), *measures.MEANS, *(h.id for h in measures.HISTOGRAMS), ""}
    for m in found:
        assert m.definition, m.id
        assert m.unit, m.id
        assert m.numerator in known, m.id
        assert m.denominator in known, m.id


def test_every_pattern_is_labeled_and_precise() -> None:
    for pattern in patterns.bundled().patterns:
        right, number = labeled()[pattern.id]
        assert number >= 50, pattern.id
        assert right / number >= 0.8, pattern.id

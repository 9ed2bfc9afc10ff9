"""Declarations of the embedding lens for the report."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from dftspark.report.words.rows import Row, of_pair
from dftspark.report.words.shown import Examples, Fact, Section, Shown, ShownMeasure, Table
from dftspark.report.words.text import real
from dftspark.store.run import Run

if TYPE_CHECKING:
    from rich.console import Console


MEASURES = (
    ShownMeasure(
        r"mmd", "Embeddings, MMD",
        "How far the clouds of embeddings are apart, by a Gaussian kernel at the median distance; "
        "a root with its square's sign.",
        "± √ |MMD²|", "−1 to √2",
    ),
    ShownMeasure(
        r"mmd_squared", "Embeddings, MMD²",
        "How far the clouds of embeddings are apart, by a Gaussian kernel at the median distance; "
        "unbiased, so it may be a little below 0.",
        "E k(x, x′) + E k(y, y′) − 2 E k(x, y)", "−1 to 2", main=True,
        square=True,
    ),
    ShownMeasure(
        r"mmd_fused", "Embeddings, all bandwidths in one test",
        "One p-value of MMD² over several kernels; it has no value.",
        "largest standardized MMD² of the kernels", "a p-value alone", "-",
    ),
    ShownMeasure(
        r"mmd_squared_gaussian_([\d.]+)", "MMD², Gaussian kernel of {n} × the median distance",
        "Wide kernels see where the clouds lie, narrow ones their texture.",
        "E k(x, x′) + E k(y, y′) − 2 E k(x, y)", "−1 to 2",
        square=True,
    ),
    ShownMeasure(
        r"mmd_squared_laplace", "MMD², Laplace kernel", "The same with another kernel.",
        "E k(x, x′) + E k(y, y′) − 2 E k(x, y)", "−1 to 2",
        square=True,
    ),
    ShownMeasure(
        r"mmd_squared_imq", "MMD², inverse multiquadric kernel",
        "The same with a kernel of long reach.", "E k(x, x′) + E k(y, y′) − 2 E k(x, y)", "−1 to 2",
        square=True,
    ),
    ShownMeasure(
        r"mmd_squared_feature_error", "MMD², error of the random features",
        "Half-width of the 95% interval of what the random features add to MMD²; of one sign for "
        "all models of a run.", "see docs/embeddings.md", "≥ 0", "the same",
        square=True,
    ),
    ShownMeasure(
        r"mmd_squared_(stratified|within)", "MMD², {n} by strata",
        "Whether the clouds agree at one mix of strata, or within each stratum.",
        "E k(x, x′) + E k(y, y′) − 2 E k(x, y)", "−1 to 2",
        square=True,
    ),
    ShownMeasure(
        r"mmd_(?:squared_)?(exact|on_exact)", "MMD on a sample of texts, {n}",
        "The kernel itself over all pairs of a sample, and random features of the same texts.",
        "E k(x, x′) + E k(y, y′) − 2 E k(x, y)", "−1 to 2",
        square=True,
    ),
    ShownMeasure(
        r"energy_distance", "Embeddings, energy distance",
        "As MMD, with distances in place of a kernel.",
        "2 E|x − y| − E|x − x′| − E|y − y′|", "≥ 0", main=True,
        square=True,
    ),
    ShownMeasure(
        r"frechet", "Embeddings, Fréchet distance",
        "Distance of two normal clouds with these means and covariances; large for few texts.",
        "|μ − ν|² + tr(A + B − 2 √(AB))", "≥ 0", "well above 0 for few texts",
        square=True,
    ),
    ShownMeasure(
        r"frechet_corrected", "Embeddings, Fréchet without noise",
        "The same less what finite corpora add.",
        "|μ − ν|² + tr(A + B − 2 √(AB)) − bias", "about ≥ 0",
        square=True,
    ),
    ShownMeasure(
        r"c2st_auc", "Classifier, area",
        "Chance that a classifier takes the model's text for the model's, on prompts it has not "
        "seen. Its tell size is of a reader who has already learnt the difference.",
        "P(score of model text > score of human text)", "½ to 1", "½", main=True, apart=True,
    ),
    ShownMeasure(
        r"c2st_accuracy", "Classifier, accuracy", "Share of unseen texts that it gets right.",
        "right / all", "½ to 1", "½",
    ),
    ShownMeasure(
        r"c2st_tv_bound", "Classifier, bound on total variation",
        "The clouds differ by at least this share.", "2 × accuracy − 1", "0 to 1",
    ),
    ShownMeasure(
        r"frontier", "Regions, frontier area",
        "MAUVE-type area over regions of the cloud; blind where both sides answer the same "
        "prompts.",
        "area under the divergence frontier", "0 to 1", "frontier_at_equality",
    ),
    ShownMeasure(
        r"frontier_at_equality", "Regions, frontier area at equality",
        "What one source would give at these sizes.", "mean over mixed groups", "0 to 1",
        "itself",
    ),
    ShownMeasure(
        r"region_l2_squared", "Regions, squared L2 of shares",
        "Whether the model writes about other things; unbiased.", "Σ (share − share)² − bias",
        "−2 to 2",
        square=True,
    ),
    ShownMeasure(
        r"near_duplicates", "Near copies of human texts",
        "Share of model texts that nearly repeat a human one: matching by copying is no success.",
        "texts with a human one at cosine ≥ 0.95 / all", "0 to 1", "that among humans",
        main=True,
    ),
    ShownMeasure(
        r"near_duplicates_human", "Near copies among human texts",
        "The same among human texts of unlike prompts.", "as near_duplicates", "0 to 1", "itself",
    ),
)  # fmt: skip


def _share(area: float) -> str:
    return f"{area:.0%}" if area < 0.995 else f"{area:.1%}"


def _inside(row: Row) -> str:
    """Writes the interval of an area; empty if it has none."""
    ends = [real(row[name]) for name in ("ci_low", "ci_high")]
    return "" if any(map(math.isnan, ends)) else " to ".join(_share(min(end, 1.0)) for end in ends)


class EmbeddingsShown(Shown):
    name = "embeddings"
    title = "Content and style"
    lead, word = "mmd_squared", "content"
    stands = ("mmd_squared",)
    by_value = "mmd"
    compared = ("mmd_squared", "energy_distance", "c2st_auc")
    # One of each kind; the table `metrics` has the other kernels and forms.
    brief = ("mmd_squared", "energy_distance", "frechet_corrected", "c2st_auc", "near_duplicates")
    measures = MEASURES
    tables: Mapping[str, Table] = {
        "regions": Table(
            "model region label share_human share_model share_z mass within z q_value",
            drawn=True,
            unread=("exemplars_human exemplars_model exemplars_human_id exemplars_model_id"),
        ),
        "witness": Table(
            "model side end rank score region doc_id excerpt",
            listed=True,
            drawn=True,
        ),
        "copies": Table(
            "model side cosine overlap same_cluster doc_id neighbor_id excerpt neighbor_excerpt",
            drawn=True,
        ),
        "cloud_map": Table(drawn=True, of_all=True),
    }
    glossary: Mapping[str, str] = {
        "a reader": "A classifier that was trained on other prompts of both sides. The share is "
        "its area: shown one new text of each side, it picks the model's so often. Half is "
        "guessing.",
        "content": "An embedding model turns every text into a point, near to texts of like "
        "content and style. MMD² is how far the model's cloud of points is from the human one; 0 "
        "on average for equal texts.",
    }

    def notes(self, run: Run) -> list[str]:
        from dftspark.lenses.embeddings.notes import coarse_features

        return coarse_features(run)

    def facts(self, run: Run, model: str, stratum: str) -> list[Fact]:
        rows = of_pair(run, "metrics", model, stratum)
        return [
            Fact(
                "a trained reader",
                _share(real(row["value"])),
                f"of pairs{f' ({inside})' if (inside := _inside(row)) else ''} are told apart by a "
                f"reader who has learnt the difference; half is guessing",
                "a reader",
                "a reader",
                inside,
            )
            for row in rows
            if row["metric"] == "c2st_auc" and not math.isnan(real(row["value"]))
        ]

    def section(self, run: Run, model: str, stratum: str) -> Section | None:
        from dftspark.lenses.embeddings.examples import copies
        from dftspark.lenses.embeddings.figures import cloud, gist, regions

        parts = [cloud(run, model), regions(run, model), copies(run, model)]
        shown = [part for part in parts if part is not None]
        if not shown:
            return None
        said = gist(run, model)
        return Section("clouds", "Clouds", "Where the two clouds lie", shown, said)

    def examples(self, run: Run, model: str) -> list[Examples]:
        from dftspark.lenses.embeddings.examples import ends

        return ends(run, model)

    def show(self, run: Run, console: Console, model: str, stratum: str, rows: int) -> None:
        from dftspark.lenses.embeddings.terminal import show_regions

        if "regions" in run.tables:
            show_regions(run, console, model, rows // 2)


SHOWN = EmbeddingsShown()

"""How often the structure lens flags human against human: disjoint random parts of human corpora.

    python benchmarks/structure_level.py        results/structure_level.txt

Rates and means only. Of the measures with enough documents: the share outside the human band and
that with a p-value below .05, over all pairs, and the measures that are outside most often.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dftspark import config
from dftspark.features import document_vectors
from dftspark.features.document_vectors import DocumentVectors
from dftspark.inference import blocks
from dftspark.lenses import structure_bands, structure_rates
from dftspark.lenses.structure_measures import all_measures
from dftspark.stats.structure import Structure, StructureSums

HERE = Path(__file__).resolve().parent
DATA = HERE.parent.parent / "shared" / "data"
CORPORA = {"review": "biscope", "essay": "outfox", "creative": "biscope", "news": "fdg"}
SIZES = ((300, 60), (60, 300), (100, 400), (1000, 100), (100, 1000))
SETTINGS = config.Inference(splits=200, permutations=99)
RATES = [measure for measure in all_measures() if measure.kind != "distribution"]


def vectors(genre: str) -> DocumentVectors:
    """The human documents of a genre, each a cluster of its own."""
    table = pq.read_table(
        DATA / f"{CORPORA[genre]}.parquet", columns=["doc_id", "text", "model", "domain"]
    )
    own = table.filter(pc.and_(pc.is_null(table["model"]), pc.equal(table["domain"], genre)))
    return document_vectors.of(own["text"].combine_chunks(), own["doc_id"].combine_chunks())


def part(of: DocumentVectors, chosen: np.ndarray) -> StructureSums:
    """The sums of some documents, without the histograms, which rates do not read."""
    return Structure().observe(
        DocumentVectors(
            of.counts[chosen], of.means[chosen], np.zeros_like(of.histograms),
            of.clusters[chosen], of.blocks[chosen],
        )
    )  # fmt: skip


def flagged(of: DocumentVectors, n: int, m: int, runs: int) -> Iterator[tuple[np.ndarray, ...]]:
    """By pair: whether each measure is judged, outside the band, and below p = .05."""
    rng = np.random.default_rng(1)
    for _ in range(runs):
        order = rng.permutation(len(of.counts))
        human, model = part(of, order[:n]), part(of, order[n : n + m])
        found = structure_rates.compared_rates(
            RATES, human, model, blocks.adapt(min(n, m)),
            structure_bands.band_factor(human, model), SETTINGS,
        )  # fmt: skip
        judged = np.isfinite(found["p_value"]) & np.isfinite(found["band"])
        yield judged, judged & (found["distance"] > found["band"]), found["p_value"] < 0.05


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    runs = parser.parse_args().runs
    lines = [f"{runs} pairs each", "", "human model genre     outside  p<.05  most often outside"]
    found = {genre: vectors(genre) for genre in CORPORA}
    for n, m in SIZES:
        for genre, own in found.items():
            if n + m > len(own.counts):
                continue
            judged, outside, low = (
                np.sum(each, axis=0) for each in zip(*flagged(own, n, m, runs), strict=True)
            )
            share = outside / np.maximum(judged, 1)
            most = ", ".join(f"{RATES[i].id} {share[i]:.2f}" for i in np.argsort(-outside)[:3])
            lines.append(
                f"{n:5} {m:5} {genre:9} {outside.sum() / judged.sum():7.3f} "
                f"{low.sum() / judged.sum():6.3f}  {most}"
            )
            print(lines[-1], flush=True)
    (HERE / "results" / "structure_level.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

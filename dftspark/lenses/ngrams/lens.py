"""The n-gram lens: exact counts, their sketches and texts, and the measures of a pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from dftspark import schema
from dftspark.config import Audit
from dftspark.lenses.lens import Compared, Lens, Night, Pairing, Texts
from dftspark.lenses.ngrams import stored_wholes as document_states
from dftspark.lenses.ngrams.profile_files import ProfileFiles
from dftspark.lenses.ngrams.statistic_counts import NgramCounts
from dftspark.making import Making
from dftspark.store.run import Run
from dftspark.store.state_table import StateTable

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from dftspark.lenses.ngrams.spark_profile import NgramFold
    from dftspark.spark.fold import Folded
    from dftspark.spark.rows import Session


@dataclass(frozen=True)
class NgramStates:
    """The profile of n-grams, and of the documents as wholes, by the paths of its tables.

    `sizes` are the columns of the table corpora that follow from it, by corpus.
    """

    stored: list[str]
    phrases: StateTable
    key_ranges: int
    sizes: dict[str, dict[str, float]] = field(default_factory=dict)

    @cached_property
    def files(self) -> ProfileFiles:
        """The files of `stored`, opened once for all readers."""
        return ProfileFiles(self.stored)

    @cached_property
    def several_a_cluster(self) -> frozenset[str]:
        """Corpora with several documents of one prompt, where prompts are counted."""
        return frozenset(
            corpus
            for (corpus, _, _), totals in self.files.totals.items()
            if totals["documents"].sum() > totals["groups"].sum()
        )

    @cached_property
    def fingerprints(self) -> dict[int, str]:
        """The fingerprints in the rows of each order."""
        rows = self.files.every(["n", "fingerprint"])
        return dict(zip(*(column.to_pylist() for column in rows.columns), strict=True))


class NgramLens(Lens):
    name = "ngrams"
    in_process = True
    tables = ("ngrams", "document_ratios")
    states = ("profile", "phrases")
    settings: ClassVar = {"ngrams": ("orders", "table_rows", "buffer_mb", "inference_ngrams")}

    def fingerprints(self, spark: Session, config: Audit) -> dict[str, str]:
        from dftspark.lenses.ngrams import spark_profile as ngrams

        return {
            "text": ngrams.fingerprint(config),
            "orders": " ".join(map(str, config.ngrams.orders)),
            "sketch_width": str(config.ngrams.sketch_width),
            "key_ranges": str(config.nightly.key_ranges),
        }

    def fold(self, config: Audit, ranges: int, documents: Mapping[str, int]) -> NgramFold:
        from dftspark.lenses.ngrams.spark_profile import NgramFold

        return NgramFold(config, ranges)

    def profile(
        self, making: Making, texts: Texts, night: Night | None, folded: Folded | None
    ) -> NgramStates:
        from dftspark.lenses.ngrams import spark_profile as ngrams

        assert folded is not None
        assert isinstance(folded.of, ngrams.NgramFold)
        paths = [making.writer.table_path("profile")]
        with making.stage("read back phrases"):
            found = ngrams.phrases(texts.documents, folded, making.config)
            making.write("phrases", found)
            known = StateTable.of([making.writer.table_path("phrases")])
        files = ProfileFiles(paths)
        packed = ngrams.state_sizes(folded, files.totals)
        copies = document_states.copies_columns(files)
        columns = {name: {**packed[name], **copies[name]} for name in packed}
        return NgramStates(paths, known, folded.of.ranges, columns)

    def opened(self, spark: SparkSession, config: Audit, runs: Sequence[Run]) -> NgramStates:
        paths = [run.table_path("profile") for run in runs]
        phrases = StateTable.of(run.table_path("phrases") for run in runs)
        return NgramStates(paths, phrases, runs[0].manifest["key_ranges"])

    def unlike(self, config: Audit, state: NgramStates) -> list[str]:
        from dftspark.lenses.ngrams import spark_profile as ngrams

        text = ngrams.fingerprint(config)
        wanted = {n: NgramCounts(n=n, text=text).fingerprint for n in config.ngrams.orders}
        made_by = {key: value for key, value in state.fingerprints.items() if key in wanted}
        return [
            f"n-grams of order {n}: the profile {made_by.get(n, 'has none')}, this dftspark {value}"
            for n, value in wanted.items()
            if made_by.get(n) != value
        ]

    def manifest(self, state: NgramStates) -> dict[str, Any]:
        return {"key_ranges": state.key_ranges}

    def compare(self, making: Making, state: NgramStates, pairing: Pairing) -> Compared:
        from dftspark.lenses.ngrams import listed
        from dftspark.lenses.ngrams import spark_profile as ngrams
        from dftspark.lenses.ngrams.spark_compare import pairs
        from dftspark.spark import tables

        spark, config = making.spark, making.config
        with making.stage("compare"):
            path = making.staging("compared")
            found = pairs(
                spark, state.files, pairing.shared, config, state.key_ranges, pairing.returning
            )
            compared = tables.settled(found, path, schema.COMPARED)
            texts = listed.ListedPhrases.of(state.phrases, compared)
            about = (compared, texts, config.human, making.writer.id, making.date)
            making.write_tested("ngrams", listed.ngrams(*about), pairing.withheld)
            making.write_tested("document_ratios", listed.document_ratios(*about), pairing.withheld)
            rows = compared.drop_columns(["ngrams", "ratios"]).to_pylist()
        order = {n: i for i, n in enumerate(config.ngrams.orders)}
        rows = [
            {**row, "fingerprint": state.fingerprints[row["n"]]}
            for row in sorted(rows, key=lambda r: order[r["n"]])
        ]
        return Compared(rows, {"fingerprint": ngrams.fingerprint(config)})

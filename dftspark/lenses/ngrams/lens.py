"""The n-gram lens: exact counts, their sketches and texts, and what they say of a pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from dftspark import schema
from dftspark.config import Audit
from dftspark.lenses.lens import Compared, Lens, Night, Pairing, Texts
from dftspark.lenses.ngrams import stored_wholes as document_states
from dftspark.lenses.ngrams.profile_files import GROUP_ROWS, ProfileFiles
from dftspark.lenses.ngrams.statistic_counts import NgramCounts
from dftspark.making import PACKED, Making
from dftspark.store.run import Run

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


@dataclass(frozen=True)
class NgramStates:
    """The profile of n-grams, and of the documents as wholes, by the paths of its tables.

    `sizes` are the columns of the table corpora that follow from it, by corpus.
    """

    stored: list[str]
    phrases: DataFrame
    key_ranges: int
    sizes: dict[str, dict[str, float]] = field(default_factory=dict)

    @cached_property
    def files(self) -> ProfileFiles:
        """The files of `stored`, opened once for all that look into them."""
        return ProfileFiles(self.stored)

    @cached_property
    def several_a_cluster(self) -> frozenset[str]:
        """Corpora with several documents of one prompt, where prompts are what is counted."""
        return frozenset(
            corpus
            for (corpus, _, _), totals in self.files.totals.items()
            if totals["documents"].sum() > totals["groups"].sum()
        )

    @cached_property
    def fingerprints(self) -> dict[int, str]:
        """What the rows of each order say that they were made by."""
        rows = self.files.every(["n", "fingerprint"])
        return dict(zip(*(column.to_pylist() for column in rows.columns), strict=True))


class NgramLens(Lens):
    name = "ngrams"
    tables = ("ngrams", "document_ratios")
    states = ("profile", "phrases")
    settings: ClassVar = {"ngrams": ("orders", "table_rows", "buffer_mb", "inference_ngrams")}

    def fingerprints(self, spark: SparkSession, config: Audit) -> dict[str, str]:
        from dftspark.lenses.ngrams import spark_profile as ngrams

        return {
            "text": ngrams.fingerprint(config),
            "orders": " ".join(map(str, config.ngrams.orders)),
            "sketch_width": str(config.ngrams.sketch_width),
            "key_ranges": str(config.nightly.key_ranges),
        }

    def profile(self, making: Making, texts: Texts, night: Night | None) -> NgramStates:
        from dftspark.lenses.ngrams import spark_profile as ngrams
        from dftspark.spark.session import shuffle_partitions

        config = making.config
        with making.stage("count n-grams"):
            sizes = {row["corpus"]: row["bytes"] for row in texts.corpora if row["documents"]}
            slots = shuffle_partitions(making.spark)
            layout = ngrams.Layout.of(sizes, slots, config.ngrams.sketch_width)
            if night:
                layout = replace(layout, ranges=config.nightly.key_ranges)
            counted = ngrams.count(texts.documents, config, layout)
            stored = making.write("profile", counted, PACKED, GROUP_ROWS)
        with making.stage("read back phrases"):
            found = ngrams.phrases(texts.documents, stored, config, layout)
            known = making.write("phrases", found)
        packed, paths = ngrams.state_sizes(stored), [making.writer.table_path("profile")]
        copies = document_states.copies_columns(ProfileFiles(paths))
        columns = {name: {**packed[name], **copies[name]} for name in packed}
        return NgramStates(paths, known, layout.ranges, columns)

    def opened(self, spark: SparkSession, config: Audit, runs: Sequence[Run]) -> NgramStates:
        from dftspark.spark import tables

        paths = [run.table_path("profile") for run in runs]
        ranges = runs[0].manifest["key_ranges"]
        return NgramStates(paths, tables.stored(spark, "phrases", runs), ranges)

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
        from dftspark.lenses.ngrams import spark_profile as ngrams
        from dftspark.lenses.ngrams import spark_tables
        from dftspark.lenses.ngrams.spark_compare import pairs
        from dftspark.spark import tables

        spark, config = making.spark, making.config
        with making.stage("compare"):
            path = making.staging("compared")
            found = pairs(
                spark, state.files, pairing.shared, config, state.key_ranges, pairing.returning
            )
            tables.write(found, path)
            compared = tables.read(spark, path, schema.COMPARED)
            path = making.staging("examples")
            tables.write(spark_tables.examples(state.phrases, compared), path)
            phrases = tables.read(spark, path, schema.PHRASES)
            text = (phrases, config.human, making.writer.id, making.date)
            making.write_tested("ngrams", spark_tables.ngrams(compared, *text), pairing.withheld)
            ratios = spark_tables.document_ratios(compared, *text)
            making.write_tested("document_ratios", ratios, pairing.withheld)
            rows = compared.drop("ngrams", "ratios").toArrow().to_pylist()
        order = {n: i for i, n in enumerate(config.ngrams.orders)}
        rows = [
            {**row, "fingerprint": state.fingerprints[row["n"]]}
            for row in sorted(rows, key=lambda r: order[r["n"]])
        ]
        return Compared(rows, {"fingerprint": ngrams.fingerprint(config)})

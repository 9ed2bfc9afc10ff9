"""The structure lens: sums of measures and patterns, and what they say of a pair."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dftspark import schema
from dftspark.config import Audit
from dftspark.lenses.lens import Compared, Lens, Night, Pairing, Texts
from dftspark.making import PACKED, Making
from dftspark.store.run import Run

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


class StructureLens(Lens):
    name = "structure"
    tables = ("patterns",)
    states = ("structure",)

    def rates(self) -> list[str]:
        from dftspark.lenses.structure.catalogue import all_measures

        return [m.id for m in all_measures() if m.kind != "distribution"]

    def fingerprints(self, spark: SparkSession, config: Audit) -> dict[str, str]:
        from dftspark.lenses.structure import spark_profile as structure

        return {"structure": structure.statistic(config).fingerprint}

    def profile(self, making: Making, texts: Texts, night: Night | None) -> DataFrame:
        from dftspark.lenses.structure import spark_profile as structure

        with making.stage("measure structure"):
            found = structure.profile(texts.documents, making.config)
            return making.write("structure", found, PACKED)

    def opened(self, spark: SparkSession, config: Audit, runs: Sequence[Run]) -> DataFrame:
        from dftspark.spark import tables

        return tables.stored(spark, "structure", runs)

    def unlike(self, config: Audit, state: DataFrame) -> list[str]:
        from dftspark.lenses.structure import spark_profile as structure

        wanted = structure.statistic(config).fingerprint
        rows = state.select("fingerprint").distinct().toArrow()["fingerprint"]
        return [
            f"structure: the profile {made_by}, this dftspark {wanted}"
            for made_by in rows.to_pylist()
            if made_by != wanted
        ]

    def compare(self, making: Making, state: DataFrame, pairing: Pairing) -> Compared:
        from dftspark.lenses.structure import spark_profile as structure
        from dftspark.spark import tables

        config = making.config
        with making.stage("compare structure"):
            path = making.staging("structure_compared")
            tables.write(structure.compare(state, pairing.shared, config), path)
            compared = making.spark.read.parquet(path)
            run = (config.human, making.writer.id, making.date)
            patterns = structure.patterns_table(compared, *run)
            making.write_tested("patterns", patterns, pairing.withheld)
            rows = compared.select(*schema.MEASURED.names).toArrow().to_pylist()
        made_by = structure.statistic(config).fingerprint
        return Compared([{**row, "fingerprint": made_by} for row in rows])

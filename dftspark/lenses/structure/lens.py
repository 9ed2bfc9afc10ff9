"""The structure lens: sums of measures and patterns, and the measures of a pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from dftspark import schema
from dftspark.config import Audit
from dftspark.lenses.lens import Compared, Lens, Night, Pairing, Texts
from dftspark.making import Making
from dftspark.store.run import Run
from dftspark.store.state_table import StateTable

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from dftspark.lenses.structure.spark_profile import StructureFold
    from dftspark.spark.fold import Folded
    from dftspark.spark.rows import Session


class StructureLens(Lens):
    name = "structure"
    in_process = True
    tables = ("patterns",)
    states = ("structure",)

    def rates(self) -> list[str]:
        from dftspark.lenses.structure.catalogue import all_measures

        return [m.id for m in all_measures() if m.kind != "distribution"]

    def fingerprints(self, spark: Session, config: Audit) -> dict[str, str]:
        from dftspark.lenses.structure import spark_profile as structure

        return {"structure": structure.statistic(config).fingerprint}

    def fold(self, config: Audit, ranges: int, documents: Mapping[str, int]) -> StructureFold:
        from dftspark.lenses.structure import spark_profile as structure

        return structure.StructureFold(structure.statistic(config))

    def profile(
        self, making: Making, texts: Texts, night: Night | None, folded: Folded | None
    ) -> StateTable:
        return StateTable.of([making.writer.table_path("structure")])

    def opened(self, spark: SparkSession, config: Audit, runs: Sequence[Run]) -> StateTable:
        return StateTable.of(run.table_path("structure") for run in runs)

    def unlike(self, config: Audit, state: StateTable) -> list[str]:
        from dftspark.lenses.structure import spark_profile as structure

        wanted = structure.statistic(config).fingerprint
        return [
            f"structure: the profile {made_by}, this dftspark {wanted}"
            for (made_by,) in state.distinct("fingerprint")
            if made_by != wanted
        ]

    def compare(self, making: Making, state: StateTable, pairing: Pairing) -> Compared:
        from dftspark.lenses.structure import spark_profile as structure
        from dftspark.spark import pairs

        config = making.config
        with making.stage("compare structure"):
            structure.check_comparable(state, config.human)
            models = [name for (name,) in state.distinct("corpus") if name != config.human]
            work = {"structure": structure.Comparison(state, pairing.shared, config)}
            found = pairs.work(making.spark, models, work)["structure"]
            run = (config.human, making.writer.id, making.date)
            patterns = structure.patterns_table(found, *run)
            making.write_tested("patterns", patterns, pairing.withheld)
        made_by = structure.statistic(config).fingerprint
        names = schema.MEASURED.names
        rows = [{**{name: row[name] for name in names}, "fingerprint": made_by} for row in found]
        return Compared(rows)

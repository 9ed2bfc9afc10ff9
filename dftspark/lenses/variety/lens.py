"""The variety lens: likeness to the human answer, and variety within and across prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dftspark.config import Audit
from dftspark.lenses.lens import Compared, Lens, Pairing
from dftspark.making import Making

if TYPE_CHECKING:
    from dftspark.spark.rows import Session


class VarietyLens(Lens):
    name = "variety"
    tables = ("variety",)

    def check(self, spark: Session, config: Audit, order: Any = None) -> None:
        from dftspark.lenses.variety.compared import needs_sacrebleu

        needs_sacrebleu()

    def compare(self, making: Making, state: None, pairing: Pairing) -> Compared:
        from dftspark.lenses.variety import spark_measures as variety

        if pairing.texts is None:
            return Compared()
        with making.stage("measure variety"):
            documents = pairing.texts.documents
            found = variety.measure(documents, making.config, making.writer.id, making.date)
            making.write("variety", found)
        return Compared()

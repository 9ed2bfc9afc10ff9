"""Notes that precede any verdict, on the page and in the terminal alike: differences between the
sides that are not writing, copies, and what an older run cannot tell."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pyarrow.compute as pc

from dftspark.choose.splits import named
from dftspark.lenses.comparability_advice import LANGUAGE_NAMES
from dftspark.report.words.lenses import lenses
from dftspark.report.words.tell import old
from dftspark.report.words.text import number, visible
from dftspark.store.run import Run

_OLD = (
    "This run was made before there were tell sizes. Its floors are of halves of the human text, "
    "and p-values, q-values and lists of words may claim too much where the sides are of unlike "
    "sizes. Audit again for numbers that hold."
)
_MOST = 3  # models that are named one by one
_SHOWN = 8  # notes
_SPOKEN = {
    "non_ascii": "documents with a character outside ASCII",
    "curly_quotes": "documents whose quotes or apostrophes are curly",
    "mojibake": "documents with garbled characters",
    "lower_cased": "documents without a capital",
    "tokenized_spacing": "documents with blanks before marks",
    "single_line": "documents of a single line",
    "newlines": "line breaks per 100 words",
    "cut_off": "documents that end without a closing mark",
    "one_length": "documents of nearly one length",
    "median_words": "words of the median document",
}


def withholds_tests(run: Run) -> bool:
    """Returns whether the human side repeats itself so much that no q and no verdict may be
    given."""
    return bool(run.manifest.get("tests_withheld", False))


def notes(run: Run) -> list[str]:
    """Returns one line each, the run's warnings first; empty if there is nothing to be wary of."""
    warnings = [_OLD] if old(run) else []
    if (kept := run.manifest.get("config", {}).get("prompts", "all")) != "all":
        warnings.append(
            f"Only documents on the prompts of the {kept}, {named(kept)} of 64, are in this run. "
            f"The others count as filtered."
        )
    warnings += [visible(text, 600) for text in run.manifest.get("warnings", [])]
    warnings += [said for lens in lenses() for said in lens.notes(run)]
    found = _differing(run)
    said = [_line(name, rows) for name, rows in found[:_SHOWN]]
    if len(found) > _SHOWN:
        said.append(f"{len(found) - _SHOWN} more are in the table comparability")
    return warnings + said


def _differing(run: Run) -> list[tuple[str, list[dict[str, Any]]]]:
    """Returns the rows that differ over all strata by property, those of most models first."""
    if "comparability" not in run.tables:
        return []
    where = pc.field("differs") & (pc.field("stratum") == "")
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in run.table("comparability", None, where).to_pylist():
        found[row["property"]].append(row)
    return sorted(found.items(), key=lambda item: -len(item[1]))


def _line(name: str, rows: list[dict[str, Any]]) -> str:
    """Writes `documents of a single line: human 66%, gpt-4 0%; look whether ...`."""
    values = [_value(rows[0]["value_human"], rows[0]["unit"])]
    human = f"human {values[0]}"
    if len(rows) <= _MOST:
        models = ", ".join(
            f"{visible(row['model'], 40)} {_value(row['value_model'], row['unit'])}" for row in rows
        )
    else:
        ends = [_value(end(r["value_model"] for r in rows), rows[0]["unit"]) for end in (min, max)]
        models = f"{len(rows)} models {' to '.join(dict.fromkeys(ends))}"
    advice = list(dict.fromkeys(row["advice"] for row in rows))
    return f"{_spoken(name)}: {human}, {models}; {visible(advice[0], 240)}"


def _spoken(name: str) -> str:
    if name.startswith("language_"):
        return f"documents in {LANGUAGE_NAMES.get(name.removeprefix('language_'), 'one language')}"
    if name.startswith("token "):
        return f"documents with the token {visible(name.removeprefix('token '), 40)!r}"
    return _SPOKEN.get(name, visible(name, 60))


def _value(value: float, unit: str) -> str:
    if unit != "share of documents":
        return number(value, 2)
    return f"{value:.0%}" if value in (0, 1) or 0.01 <= value <= 0.99 else f"{value:.1%}"

"""Names of the corpora into which `split_by` cuts a corpus: corpus/value, or corpus/value/value."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import unquote


def part_name(corpus: str, values: Sequence[str]) -> str:
    """Returns a name for each combination of values. With several values, a slash becomes %2F and a
    percent sign %25, so that 'a/b', 'c' and 'a', 'b/c' differ; a single value stays as it is."""
    if len(values) > 1:
        values = [value.replace("%", "%25").replace("/", "%2F") for value in values]
    return "/".join([corpus, *values])


def values_of(part: str, columns: int) -> list[str]:
    """Returns the values, one for each of so many columns of split_by."""
    values = part.split("/", 1)[1]
    return [unquote(value) for value in values.split("/")] if columns > 1 else [values]


def corpus_of(part: str) -> str:
    """Returns the corpus as configured, given one of its parts or itself."""
    return part.split("/", 1)[0]

"""Names of the corpora that `split_by` cuts one into: corpus/value, or corpus/value/value."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import unquote


def part_name(corpus: str, values: Sequence[str]) -> str:
    """A name for each combination of values. Of several, a slash is %2F and a percent sign %25,
    for 'a/b', 'c' must not become what 'a', 'b/c' is; a single one stays as it is."""
    if len(values) > 1:
        values = [value.replace("%", "%25").replace("/", "%2F") for value in values]
    return "/".join([corpus, *values])


def values_of(part: str, columns: int) -> list[str]:
    """The values, one for each of so many columns of split_by."""
    values = part.split("/", 1)[1]
    return [unquote(value) for value in values.split("/")] if columns > 1 else [values]


def corpus_of(part: str) -> str:
    """The corpus as configured, of one of its parts or of itself."""
    return part.split("/", 1)[0]

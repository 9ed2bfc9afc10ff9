"""Queries of a corpus: one SELECT over tables that gives the same rows for the same tables.

A query is read as a filter is, token by token, because Spark Connect shows no analyzed plan. Names
of columns and tables are free; functions are those of filters, with a few that count, open arrays
or build structs. What takes rows by chance or by the order in which they come is refused.
"""

from __future__ import annotations

import difflib
from functools import lru_cache
from itertools import pairwise

from dftspark.config import filters
from dftspark.config.filters import Token

# Beside those of filters: aggregates that no order of rows changes, and what opens arrays.
FUNCTIONS = filters.FUNCTIONS | frozenset(
    """
    count count_if min max bool_and bool_or every some
    explode explode_outer posexplode posexplode_outer inline inline_outer
    transform filter exists forall get slice array_contains flatten sort_array
    struct named_struct to_json get_json_object
    """.split()  # noqa: SIM905
)
_BEFORE_BRACKETS = filters.BEFORE_BRACKETS | frozenset(
    """
    select from join on where having by using union except intersect minus exists with group rollup
    cube lateral
    """.split()  # noqa: SIM905
)
_VERSIONS = ("version", "system_version", "timestamp", "system_time")  # before AS OF
_TENTH = "WHERE pmod(xxhash64(id), 10) = 0 takes a tenth of the rows, always the same"
_REFUSED = {
    **dict.fromkeys(
        ("limit", "offset", "tablesample"), f"takes whichever rows come first; {_TENTH}"
    ),
    **dict.fromkeys(
        ("order", "sort", "distribute"), "orders rows, and a corpus has no order; leave it out"
    ),
    **dict.fromkeys(
        ("over", "window", "qualify"), "depends on the order of rows that are equal; leave it out"
    ),
    **dict.fromkeys(
        (
            *("current_date", "current_timestamp", "current_time", "localtimestamp"),
            *("current_user", "session_user", "current_catalog", "current_database"),
        ),
        "is another value in every run; write the value itself, such as DATE '2026-01-31'",
    ),
    **dict.fromkeys(
        (
            *("insert", "update", "delete", "merge", "create", "drop", "alter", "truncate"),
            *("into", "set", "call", "cache", "refresh", "values"),
        ),
        "is no part of a SELECT that reads tables",
    ),
}


@lru_cache(maxsize=256)
def read(query: str) -> tuple[str, ...]:
    """Returns the tables that `query` names after FROM and JOIN, each once, as it spells them.

    Raises ValueError, with what to write instead, for anything but one SELECT whose rows follow
    from its tables.
    """
    tokens = filters.tokens(query, "query")
    first = next((token for token in tokens if token.text != "("), None)
    if first is None or first.kind != "word" or first.name not in ("select", "with"):
        raise ValueError(f"a query begins with SELECT or WITH, got {query!r:.200}")
    filters.check_brackets(query, tokens)
    for before, token, after in zip([None, *tokens], tokens, [*tokens[1:], None], strict=False):
        if token.kind in ("string", "raw"):
            filters.check_literal(token, before, query)
        elif token.kind in ("word", "quoted"):
            _check_name(token, before, after, query)
    return tuple(dict.fromkeys(name for name, _ in _tables(tokens)))


def versions(query: str) -> dict[str, str]:
    """Returns the version or the time, as it is written, of each table that `query` reads at one:
    `t VERSION AS OF 7`. A table that it reads in several states is left out."""
    states: dict[str, set[str | None]] = {}
    for name, state in _tables(filters.tokens(query, "query")):
        states.setdefault(name, set()).add(state)
    return {name: one for name, (one, *others) in states.items() if one and not others}


@lru_cache(maxsize=256)
def read_table(name: str) -> str:
    """Returns the name of a table as it is written. Raises ValueError unless it is one to four
    names with points between them, quoted by ` where they have other signs than letters."""
    tokens = filters.tokens(name, "table's name")
    names, points = tokens[::2], tokens[1::2]
    well = len(tokens) % 2 == 1 and len(names) <= 4 and all(point.text == "." for point in points)
    if not well or any(token.kind not in ("word", "quoted") for token in names):
        raise ValueError(
            f"a table is catalog.database.table, a name with other signs than letters, digits and "
            f"_ in backticks, as in delta.`s3a://bucket/folder`; got {name!r:.200}"
        )
    return name


def functions(query: str) -> tuple[str, ...]:
    """Returns the names of the functions that a query calls, sorted."""
    tokens = filters.tokens(query, "query")
    pairs = pairwise(tokens)
    return tuple(
        sorted(
            {
                token.name
                for token, after in pairs
                if after.text == "(" and token.kind == "word" and token.name in FUNCTIONS
            }
        )
    )


def _check_name(token: Token, before: Token | None, after: Token | None, query: str) -> None:
    member, name = before is not None and before.text == ".", token.name
    called = after is not None and after.text == "("
    plain = token.kind == "word" and not member
    if plain and name in _REFUSED:
        raise ValueError(
            f"{token.text} {_REFUSED[name]}; a column of that name stands in backticks; "
            f"got {query!r:.200}"
        )
    if plain and name == "using" and not called:  # or it runs a script
        raise ValueError(f"USING is followed by (columns) of a join, got {query!r:.200}")
    if called and not (plain and name in FUNCTIONS | _BEFORE_BRACKETS):
        near = difflib.get_close_matches(name, sorted(FUNCTIONS), n=1, cutoff=0)
        raise ValueError(
            f"{name}() is not allowed in a query, whose rows must follow from its tables alone; "
            f"the nearest that is allowed is {near[0]}(), all are in docs/configuration.md; "
            f"{_TENTH}; got {query!r:.200}"
        )


def _tables(tokens: list[Token]) -> list[tuple[str, str | None]]:
    """Returns the names after FROM and JOIN that are not those of a WITH, each with the version
    that follows it."""
    found: list[tuple[str, str | None]] = []
    named = {
        token.name
        for token, after, bracket in zip(tokens, tokens[1:], tokens[2:], strict=False)
        if after.kind == "word" and after.name == "as" and bracket.text == "("
    }
    for place, token in enumerate(tokens):
        if token.kind != "word" or token.name not in ("from", "join"):
            continue
        name: list[str] = []
        for part in tokens[place + 1 :]:
            expects_name = len(name) % 2 == 0
            if expects_name != (part.kind in ("word", "quoted")) or (
                not expects_name and part.text != "."
            ):
                break
            name.append(part.text)
        if name and not (len(name) == 1 and name[0].strip("`").lower() in named):
            found.append(("".join(name), _version(tokens[place + 1 + len(name) :])))
    return found


def _version(after: list[Token]) -> str | None:
    """Returns the version that stands at the beginning of the tokens after a table's name."""
    clause = after[1:] if after and after[0].name == "for" else after
    words = [token.name for token in clause[:3]]
    if len(clause) < 4 or words[0] not in _VERSIONS or words[1:] != ["as", "of"]:
        return None
    typed = clause[3].kind == "word" and len(clause) > 4 and clause[4].kind == "string"
    return " ".join(token.text for token in clause[3 : 5 if typed else 4])

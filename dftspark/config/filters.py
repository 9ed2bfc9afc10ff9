"""Filters of a corpus: conditions over a document's columns that mean the same in every pass.

Spark SQL can do more: draw random numbers, call Java, read other files. Every pass over the
documents filters anew, and a configuration is not a program. So only the words and functions listed
here are allowed, and they are read from the condition itself, because Spark Connect shows no
analyzed plan. Source: the lexer of Apache Spark 4, SqlBaseLexer.g4.
"""

from __future__ import annotations

import difflib
import re
from functools import lru_cache
from typing import NamedTuple

COLUMNS = (
    "doc_id",
    "text",
    "prompt_id",
    "prompt",
    "cluster",
    "model",
    "stratum",
    "date",
    "sampler",
    "fields",
    "file",
    "position",
)

# Deterministic functions of the row alone, with results no larger than their arguments.
FUNCTIONS = frozenset(
    """
    coalesce if ifnull nullif nvl nvl2 isnull isnotnull isnan nanvl equal_null greatest least
    length len char_length character_length octet_length bit_length levenshtein
    lower lcase upper ucase initcap trim ltrim rtrim btrim left right substr substring
    substring_index split split_part concat concat_ws replace translate reverse overlay
    instr locate position contains startswith endswith find_in_set ascii chr char
    like ilike rlike regexp regexp_like regexp_count regexp_extract regexp_extract_all
    regexp_instr regexp_replace regexp_substr
    hash xxhash64 crc32 md5 sha sha1 sha2 hex unhex base64 unbase64 encode decode
    get_json_object json_array_length parse_url url_decode try_url_decode url_encode
    abs sign signum ceil ceiling floor round bround rint mod pmod positive negative power pow sqrt
    cbrt exp ln log log2 log10 log1p width_bucket try_add try_subtract try_multiply try_divide
    try_mod bit_count
    array map map_keys map_values map_contains_key element_at try_element_at size cardinality
    array_contains array_position array_size array_min array_max array_distinct array_join
    arrays_overlap
    bigint boolean date decimal double float int smallint string timestamp tinyint
    try_to_number to_number try_to_date to_date try_to_timestamp to_timestamp
    date_add date_sub dateadd date_diff datediff date_format date_part datepart date_trunc trunc
    add_months months_between last_day next_day make_date year quarter month weekofyear
    day dayofmonth dayofweek dayofyear weekday hour minute second unix_date extract
    cast try_cast
    """.split()  # noqa: SIM905
)

_WORDS = frozenset(
    """
    and or not in like ilike rlike regexp escape between is null true false unknown distinct from
    case when then else end any some all div as cast try_cast both leading trailing for
    interval year years quarter quarters month months week weeks day days hour hours minute minutes
    second seconds to
    boolean byte tinyint short smallint int integer long bigint float real double date timestamp
    timestamp_ntz string char character varchar binary decimal dec numeric
    dow dayofweek doy dayofyear yearofweek
    """.split()  # noqa: SIM905
)
# Words that may stand before a bracket without being a function.
BEFORE_BRACKETS = frozenset(
    """
    and or not in like ilike rlike regexp escape between is from distinct case when then else any
    some all div as for both leading trailing interval to
    char character varchar decimal dec numeric
    """.split()  # noqa: SIM905
)

_CALENDAR = ("date", "timestamp", "timestamp_ntz", "timestamp_ltz")

_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<comment>--|/\*|\*/)
  | (?P<raw>[rR](?:'[^']*'|"[^"]*"))
  | (?P<string>'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*")
  | (?P<quoted>`(?:[^`]|``)*`)
  | (?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?:BD|[LSYDF])?(?![A-Za-z0-9_]))
  | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<sign><=>|<>|!=|<=|>=|==|::|\|\||[-=<>+*/%&|^~!()\[\],.])
    """,
    re.VERBOSE | re.DOTALL,
)
_BRACKETS = {")": "(", "]": "["}
_DEPTH = 100  # at some thousands Spark's parser ends in a stack overflow
# The filters of --model-column, which need no Spark.
OF_NO_MODEL = "model IS NULL OR lower(trim(model)) IN ('', 'human')"
OF_MODELS = f"NOT ({OF_NO_MODEL})"
_TENTH = "a tenth of the rows that stays the same is pmod(xxhash64(doc_id), 10) = 0"


class Condition(NamedTuple):
    """The names that a filter uses.

    columns    columns of a document, in small letters
    fields     source columns that it names as fields['...'], each once
    functions  names that stand before a parenthesis
    """

    columns: frozenset[str]
    fields: tuple[str, ...]
    functions: tuple[str, ...]


class Token(NamedTuple):
    """A word, a value or a sign of a condition: its kind and its text."""

    kind: str
    text: str

    @property
    def name(self) -> str:
        """The token as Spark reads a name: in lower case, without quotes."""
        bare = self.text if self.kind == "word" else self.text[1:-1].replace("``", "`")
        return bare.lower()


@lru_cache(maxsize=256)
def read(condition: str) -> Condition:
    """Returns the names that `condition` uses.

    Raises ValueError, with the nearest thing that is allowed, for anything that a filter may not
    have.
    """
    found = tokens(condition)
    _check(condition, found)
    columns, functions = set(), set()
    fields: dict[str, None] = {}
    for place, token in enumerate(found):
        before, after = found[place - 1 : place], found[place + 1 : place + 2]
        if token.kind not in ("word", "quoted") or (before and before[0].text == "."):
            continue
        if after and after[0].text == "(":
            functions.add(token.name)
        elif token.name in COLUMNS and not _is_literal_kind(token, after):
            columns.add(token.name)
            if token.name == "fields":
                fields[_field(condition, found[place + 1 : place + 4])] = None
    return Condition(frozenset(columns), tuple(fields), tuple(sorted(functions)))


def _is_literal_kind(token: Token, after: list[Token]) -> bool:
    """Returns whether a word begins a literal such as DATE '2026-01-31', so that no column is
    meant."""
    return token.name in _CALENDAR and bool(after) and after[0].kind in ("string", "raw")


def _field(condition: str, bracketed: list[Token]) -> str:
    """Returns the name in [ 'its name' ]; readers fill `fields` with the columns named so."""
    name = bracketed[1] if len(bracketed) == 3 else Token("", "")
    quote, bare = name.text[-1:], name.text.lstrip("rR")[1:-1]
    named = [token.text for token in bracketed] == ["[", name.text, "]"]
    if not named or name.kind not in ("string", "raw") or "\\" in bare or quote in bare:
        raise ValueError(
            f"a source column is fields['its name'], spelled without escapes; got {condition!r}"
        )
    return bare


def _check(condition: str, found: list[Token]) -> None:
    check_brackets(condition, found)
    for before, token, after in zip([None, *found], found, [*found[1:], None], strict=False):
        if token.kind in ("word", "quoted", "string", "raw"):
            _check_name(token, before, after, condition)
        if token.text == "." and (before is None or before.text.lower() != "sampler"):
            raise ValueError(
                f"a point stands only in sampler.NAME; a source column is fields['its name'], "
                f"got {condition!r}"
            )


def check_brackets(condition: str, found: list[Token]) -> None:
    """Raises ValueError if brackets do not pair, or too many are open at once."""
    open_brackets: list[str] = []
    for token in found:
        if token.text in ("(", "["):
            open_brackets.append(token.text)
            if len(open_brackets) > _DEPTH:
                raise ValueError(
                    f"more than {_DEPTH} brackets are open at once; write it with fewer, or give "
                    f"the corpus a column to filter by; got {condition!r:.200}"
                )
        elif token.text in _BRACKETS and (
            not open_brackets or open_brackets.pop() != _BRACKETS[token.text]
        ):
            raise ValueError(f"a bracket {token.text!r} closes none, got {condition!r}")
    if open_brackets:
        raise ValueError(f"a bracket {open_brackets[-1]!r} is not closed, got {condition!r}")


def tokens(condition: str, what: str = "filter") -> list[Token]:
    """Returns the tokens of a filter or a query, which `what` names. Raises ValueError for a sign
    or a comment that neither has."""
    found, at = [], 0
    while at < len(condition):
        match = _TOKEN.match(condition, at)
        if match is None:
            raise ValueError(
                f"{condition[at : at + 20]!r} is not read in a {what}, which has columns, values, "
                f"operators and functions; got {condition!r}"
            )
        if match.lastgroup == "comment":
            raise ValueError(
                f"a {what} has no comment {match[0]!r}; write it behind a # in the configuration; "
                f"got {condition!r}"
            )
        if match.lastgroup != "space":
            found.append(Token(str(match.lastgroup), match[0]))
        at = match.end()
    return found


def _check_name(token: Token, before: Token | None, after: Token | None, condition: str) -> None:
    member = before is not None and before.text == "."
    quoted, name = token.kind != "word", token.name
    if after is not None and after.text == "(" and name != "from":
        if quoted or member or name not in FUNCTIONS | BEFORE_BRACKETS:
            raise ValueError(_no_function(name, member, quoted, condition))
    elif token.kind in ("string", "raw"):
        check_literal(token, before, condition)
    elif member:
        return
    elif name not in COLUMNS and (quoted or name not in _WORDS):
        near = difflib.get_close_matches(name, COLUMNS, n=1, cutoff=0.75)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ValueError(
            f"{name!r} is no column of a document; {hint}there are {', '.join(COLUMNS)}; a source "
            f"column that is not mapped is fields['its name'], here fields[{name!r}]; "
            f"got {condition!r}"
        )
    elif name == "from" and (before is None or before.text == "("):
        raise ValueError(f"a filter has no subquery, got {condition!r}")
    elif name == "fields" and (after is None or after.text != "["):
        raise ValueError(f"a source column is fields['its name'], got {condition!r}")


def check_literal(token: Token, before: Token | None, condition: str) -> None:
    """Raises ValueError for DATE 'today' and TIMESTAMP 'now', which ask the clock."""
    kind = before.text.strip("`").lower() if before is not None else ""
    value = token.text.lstrip("rR")[1:-1]
    if kind in _CALENDAR and not re.match(r"\s*[+-]?[0-9]", value):
        raise ValueError(
            f"{kind.upper()} {token.text} is no fixed day; write it as DATE '2026-01-31', "
            f"got {condition!r}"
        )


def _no_function(name: str, member: bool, quoted: bool, condition: str) -> str:
    if member or (quoted and name in FUNCTIONS):
        return f"a function is called by its plain name, not as {name!r} here; got {condition!r}"
    near = difflib.get_close_matches(name, sorted(FUNCTIONS), n=1, cutoff=0)
    return (
        f"{name}() is not allowed in a filter, which must keep the same rows in every pass and "
        f"look at nothing but the row; the nearest that is allowed is {near[0]}(), all are in "
        f"docs/configuration.md; {_TENTH}; got {condition!r}"
    )

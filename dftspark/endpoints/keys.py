"""An endpoint's key: where it comes from, and how it is kept out of a server's messages.

A server's messages go into tables, logs and pages, and some servers repeat the key: as it is, as
JSON, a URL, HTML or base64 spells it, or half of it. So every text is searched both as it stands
and decoded, through spellings inside spellings, for any stretch at least half as long as the key,
in any case.
"""

from __future__ import annotations

import binascii
import html
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dftspark.config import Endpoint
from dftspark.endpoints.answers import Hide
from dftspark.errors import EnvironmentProblem

_SECRET = 8  # characters; a shorter one is not a key: local servers are given words like "none"
_LOOKED_AT = 20_000  # characters; nothing that is kept is nearly as long
_DEEP = 5  # spellings inside each other
_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
_STANDARD = str.maketrans("-_", "+/")

# One level of JSON, C, JavaScript, URLs, HTML, quoted-printable; without invisible characters.
_HEX = "[0-9A-Fa-f]"
_SPELLED = re.compile(
    rf"(?:\\u|\\U0000|%u)(?P<four>{_HEX}{{4}})|\\u\{{0{{0,4}}(?P<few>{_HEX}{{1,4}})\}}"
    rf"|(?:\\x|%|=)(?P<two>{_HEX}{{2}})|\\(?P<octal>[0-7]{{3}})|(?P<entity>&\#?\w{{1,12}};)"
    r"|\\(?P<bare>[^nrtbf])|\\[nrtbf]|=\r?\n|[\0-\x1f\x7f\xad\u200b-\u200f\u2060\ufeff]",
    re.DOTALL,
)


def key_of(endpoint: Endpoint) -> str:
    """Reads the key from the environment. Raises EnvironmentProblem where the variable is not set,
    or cannot be a header.
    """
    if endpoint.key_env is None:
        return ""
    key = os.environ.get(endpoint.key_env, "").strip()
    if not key:
        raise EnvironmentProblem(
            f"{endpoint.name}: the environment variable {endpoint.key_env} is not set on "
            f"{os.uname().nodename}. Export it before Spark starts; on a cluster every executor "
            f"needs it too (on Kubernetes spark.kubernetes.executor.secretKeyRef."
            f"{endpoint.key_env})"
        )
    if not key.isascii() or not key.isprintable():
        raise EnvironmentProblem(
            f"{endpoint.name}: {endpoint.key_env} holds characters that no key has"
        )
    return key


def hiding(keys: Iterable[str]) -> Hide:
    """Returns a function that cuts texts, and blots out what they repeat of these keys."""
    secrets = [_Secret.of(key) for key in keys if len(key) >= _SECRET]

    def hide(text: str, most: int) -> str:
        text = text[: max(_LOOKED_AT, most)]
        for secret in secrets:
            text = secret.hidden(text)
        return text[:most]

    return hide


def hiding_those_set(endpoints: Iterable[Endpoint]) -> Hide:
    """Does the same for the keys that the environment has now."""
    names = [endpoint.key_env for endpoint in endpoints if endpoint.key_env]
    return hiding(os.environ.get(name, "").strip() for name in names)


@dataclass(frozen=True)
class _Layer:
    """A text as it reads once decoded, and the place where each of its characters stood before."""

    text: str
    begins: list[int]
    ends: list[int]

    @classmethod
    def of(cls, text: str) -> _Layer:
        return cls(text, list(range(len(text))), list(range(1, len(text) + 1)))

    def plainer(self) -> _Layer:
        """Undoes one level of spelling."""
        parts: list[str] = []
        begins: list[int] = []
        ends: list[int] = []
        last = 0
        for found in _SPELLED.finditer(self.text):
            start, stop = found.span()
            said = _said(found)
            parts += [self.text[last:start], said]
            begins += [*self.begins[last:start], *[self.begins[start]] * len(said)]
            ends += [*self.ends[last:start], *[self.ends[stop - 1]] * len(said)]
            last = stop
        return _Layer(
            "".join([*parts, self.text[last:]]),
            begins + self.begins[last:],
            ends + self.ends[last:],
        )

    def packed(self, least: int) -> Iterator[_Layer]:
        """Yields the contents of its stretches of base64 and hexadecimal digits, anywhere."""
        for found in re.finditer(rf"[A-Za-z0-9+/_-]{{{least * 4 // 3},}}", self.text):
            for start in range(found.start(), min(found.start() + 4, found.end())):
                digits = self.text[start : found.end()].translate(_STANDARD)
                whole = len(digits) // 4 * 4
                end = digits[whole:] + "=" * (-len(digits) % 4) if len(digits) % 4 > 1 else ""
                data = binascii.a2b_base64(digits[:whole] + end)
                at = [(start + i * 4 // 3, start + (i * 4 + 6) // 3) for i in range(len(data))]
                yield self._inside(data, at)
        for found in re.finditer(rf"[0-9a-fA-F]{{{least * 2},}}", self.text):
            for start in range(found.start(), found.start() + 2):
                count = (found.end() - start) // 2
                data = bytes.fromhex(self.text[start : start + 2 * count])
                yield self._inside(data, [(start + 2 * i, start + 2 * i + 2) for i in range(count)])

    def _inside(self, data: bytes, at: list[tuple[int, int]]) -> _Layer:
        last = len(self.text)
        return _Layer(
            data.decode("latin-1"),
            [self.begins[begin] for begin, _ in at],
            [self.ends[min(end, last) - 1] for _, end in at],
        )


def _said(found: re.Match[str]) -> str:
    """Returns the character that a spelling stands for; empty for what is invisible."""
    kind = found.lastgroup
    if kind is None:
        return ""
    if kind == "bare":
        return found[kind]
    if kind == "entity":
        return html.unescape(found[kind])
    return chr(int(found[kind], 8 if kind == "octal" else 16))


@dataclass(frozen=True)
class _Secret:
    """A key, recognized by `least` characters in a row. Any such stretch holds a whole block."""

    key: str
    least: int
    blocks: tuple[tuple[int, str], ...]

    @classmethod
    def of(cls, key: str) -> _Secret:
        lower, least = key.translate(_LOWER), len(key) // 2
        size = (least + 1) // 2
        starts = range(0, len(key) - size + 1, size)
        return cls(lower, least, tuple((at, lower[at : at + size]) for at in starts))

    def hidden(self, text: str) -> str:
        if len(text) < self.least:
            return text
        out, last = [], 0
        for begin, end in sorted(set(self._found(_Layer.of(text), _DEEP))):
            if begin >= last:
                out += [text[last:begin], "***"]
            last = max(last, end)
        return "".join([*out, text[last:]])

    def _found(self, layer: _Layer, deep: int, packed: int = 2) -> Iterator[tuple[int, int]]:
        """Yields begin and end of stretches of the key in the text that `layer` was made of."""
        for begin, end in self._stretches(layer.text.translate(_LOWER)):
            yield layer.begins[begin], layer.ends[end - 1]
        if packed:
            for inner in layer.packed(self.least):
                yield from self._found(inner, deep - 1, packed - 1)
        if deep > 0 and (plainer := layer.plainer()).text != layer.text:
            yield from self._found(plainer, deep - 1, packed)

    def _stretches(self, text: str) -> Iterator[tuple[int, int]]:
        for at, block in self.blocks:
            place = text.find(block)
            while place >= 0:
                begin, end = place, place + len(block)
                before, after = at - 1, at + len(block)
                while begin and before >= 0 and text[begin - 1] == self.key[before]:
                    begin, before = begin - 1, before - 1
                while end < len(text) and after < len(self.key) and text[end] == self.key[after]:
                    end, after = end + 1, after + 1
                if end - begin >= self.least:
                    yield begin, end
                place = text.find(block, end)

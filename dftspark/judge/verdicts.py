"""An endpoint's answer, read strictly: a verdict to the letter, or the reason why there is none.

Nothing is repaired or guessed: an answer that is not exactly the one JSON object that was asked for
is kept as it came, beside the reason, and counts for neither text.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, Literal

from dftspark import schema
from dftspark.endpoints.answers import MALFORMED, Hide, Kind, Parse, count, storable

Answer = Literal["A", "B", "tie"]

KEPT = 400  # characters kept of an answer that has no verdict
_SERVED = 200  # characters kept of the name of the model that answered
_LEAST_LOG = -1e6  # below it a log-probability is not a number to count with

REFUSED, CUT, UNPARSABLE = "refused", "cut", "unparsable"


@dataclass(frozen=True)
class Verdict:
    """`answer` is the text that is better as it was shown, or None, and then `problem` says why:

    refused     the judge would not answer
    cut         the answer ended at the limit of tokens before it was a verdict
    unparsable  the answer is not the object that was asked for
    malformed   the reply does not follow the protocol
    lost        sent by a run that was killed before the answer came

    odds        log of P(A) / P(B) of the answer's token, nan without log-probabilities
    raw         beginning of an answer that is not a verdict
    """

    answer: Answer | None = None
    problem: str | None = None
    odds: float = math.nan
    raw: str = ""
    served: str = ""
    tokens_in: int = 0
    tokens_out: int = 0


def parsing(ties: bool) -> Parse:
    """Returns `parse` for judges that may, or may not, answer that neither is better."""
    return lambda reply, hide: parse(reply, ties, hide)


KIND = Kind("verdicts", Verdict, schema.VERDICTS, asked="judges", setting="judge.store")


def parse(reply: bytes, ties: bool, hide: Hide) -> Verdict:
    """Reads the body of a reply with status 200; `hide` removes keys from what is kept of it."""
    try:
        return _parsed(json.loads(reply), ties, hide)
    except Exception:  # whatever else a server sends is one reply that does not follow the protocol
        return Verdict(None, MALFORMED, raw=hide(reply.decode("utf-8", "replace"), KEPT))


def _parsed(document: Any, ties: bool, hide: Hide) -> Verdict:
    choice = document["choices"][0]
    message = choice["message"]
    content, refusal = message.get("content"), message.get("refusal")
    if not isinstance(content, str | None):
        raise TypeError("content is no text")
    usage = document.get("usage")
    told: dict[str, Any] = {
        "served": hide(storable(document.get("model")), _SERVED),
        "tokens_in": count(usage, "prompt_tokens"),
        "tokens_out": count(usage, "completion_tokens"),
    }
    finish = choice.get("finish_reason")
    if refusal or finish == "content_filter":
        return Verdict(None, REFUSED, raw=hide(storable(refusal or content), KEPT), **told)
    answer = _answer(content or "", ties)
    if answer is None:
        problem = CUT if finish == "length" else UNPARSABLE
        return Verdict(None, problem, raw=hide(storable(content), KEPT), **told)
    return Verdict(answer, odds=_odds(choice.get("logprobs"), answer), **told)


def _answer(content: str, ties: bool) -> Answer | None:
    """Reads {"verdict": "A"}, with that one key, once."""
    try:
        found = json.loads(content, object_pairs_hook=lambda pairs: pairs)
    except (ValueError, RecursionError):
        return None
    for answer in ("A", "B", "tie") if ties else ("A", "B"):
        if found == [("verdict", answer)]:
            return answer
    return None


def _odds(logprobs: Any, answer: Answer) -> float:
    """Returns log P(A) - log P(B) at the token where the verdict's letter stands.

    A letter that is not among the reported tokens has at most the probability of the least of them,
    and is given that. nan for a tie and where the letter's token cannot be identified.
    """
    tokens = logprobs.get("content") if isinstance(logprobs, dict) else None
    if answer == "tie" or not isinstance(tokens, list):
        return math.nan
    letters = [t for t in tokens if isinstance(t, dict) and _letter(t) == answer]
    if not letters:
        return math.nan
    told = letters[-1].get("top_logprobs")
    mass: dict[str, float] = {}
    least = 0.0
    for token in told if isinstance(told, list) else []:
        value = token.get("logprob") if isinstance(token, dict) else None
        if not isinstance(value, int | float) or not _LEAST_LOG <= value <= 0:
            continue
        least = min(least, float(value))
        if (letter := _letter(token)) is not None:
            mass[letter] = mass.get(letter, 0.0) + math.exp(value)
    if not least < 0 or not mass.keys() & {"A", "B"}:
        return math.nan
    logs = [math.log(mass[x]) if mass.get(x, 0.0) > 0 else least for x in ("A", "B")]
    return logs[0] - logs[1]


def _letter(token: dict[str, Any]) -> str | None:
    """Returns A or B, where the token holds nothing else except quotes and blanks."""
    text = token.get("token")
    bare = text.strip(' "\n\t:{}') if isinstance(text, str) else ""
    return bare if bare in ("A", "B") else None

"""Settings of nights: what is merged, what is watched, and who hears of it."""

from __future__ import annotations

import datetime
import re
import zoneinfo
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from dftspark.config.frozen import Frozen

# The runs of a night, its profile and the human side get such names after their audit.
NIGHTS_NAME = re.compile(r".+\.(\d{4}-\d{2}-\d{2}(\.profile)?|reference)")


class Nightly(Frozen):
    """What `dftspark nightly` merges. Profiles of other `key_ranges` do not merge."""

    window: Annotated[int, Field(ge=1, le=366)] = Field(
        7, description="days of model text that a night compares, its own among them"
    )
    key_ranges: int = Field(
        16,
        description="parts of every n-gram profile, a power of two; a task holds one of them for "
        "the whole window: take more for more text",
    )
    time_zone: str = Field("UTC", description="whose yesterday `--date yesterday` is")
    allow_empty: bool = Field(
        False, description="a date on which a model corpus has no document is no error"
    )
    webhook_variable: str = Field(
        "DFTSPARK_WEBHOOK",
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="environment variable with the URL that is told of checks that fail or warn",
    )
    alerts_variable: str = Field(
        "DFTSPARK_ALERTS",
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="environment variable with Apprise addresses, such as slack://..., "
        "msteams://... or mailtos://..., that are told too; needs the extra `alerts`",
    )

    @field_validator("key_ranges")
    @classmethod
    def _power_of_two(cls, value: int) -> int:
        if value < 1 or value > 4096 or value & (value - 1):
            raise ValueError(f"key_ranges is a power of two from 1 to 4096, got {value}")
        return value

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            zoneinfo.ZoneInfo(value)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"time_zone is a name such as Europe/Berlin, got {value!r}") from error
        return value

    def yesterday(self, now: datetime.datetime) -> str:
        """Returns the day before `now`, which has a time zone, on the calendar of `time_zone`."""
        here = now.astimezone(zoneinfo.ZoneInfo(self.time_zone))
        return (here.date() - datetime.timedelta(days=1)).isoformat()


class Check(Frozen):
    """One rule. Give it one of metric, phrase and pattern, and where the line is: above and below
    for against = "value" (units of the measure), "tell" (documents that give the model away) and
    "floor" (times the floor), change and false_alarms for "trailing"."""

    name: str = Field(
        min_length=1, max_length=100, description="what it is called", examples=["word pairs"]
    )
    metric: str | None = Field(None, description="name in the table metrics, such as l2_2gram")
    phrase: str | None = Field(
        None, description="words whose occurrences per million n-grams are watched"
    )
    pattern: str | None = Field(None, description="name in the table patterns; its rate is watched")
    model: str = Field("*", description="which model corpora: a name, or one with * and ?")
    stratum: str = Field("", description="stratum, or empty for all documents")
    against: Literal["value", "tell", "floor", "trailing"] = Field(
        "value",
        description="value: as it is; tell: the tell size of a metric, which does not depend on "
        "how much was read; floor: divided by the floor, of a pattern its distance "
        "divided by the human band, of a phrase its rate divided by the human rate; trailing: "
        "beside earlier nights",
    )
    above: float | None = Field(None, description="a larger one is a breach")
    below: float | None = Field(None, description="a smaller one is a breach")
    change: Literal["either", "higher", "lower"] = Field(
        "either", description="trailing: which change is a breach"
    )
    trailing: Annotated[int, Field(ge=8, le=366)] = Field(
        28, description="trailing: how many nights before the window stand beside tonight"
    )
    false_alarms: Annotated[float, Field(gt=0, lt=0.5)] = Field(
        0.001, description="trailing: chance of a breach on a night when nothing has changed"
    )
    nights: Annotated[int, Field(ge=1, le=60)] = Field(
        1, description="so many nights in a row are needed before it counts"
    )
    severity: Literal["warn", "fail"] = Field("fail", description="fail ends with exit code 3")
    min_documents: Annotated[int, Field(ge=1)] = Field(
        100, description="with fewer model documents nothing is said"
    )

    @model_validator(mode="after")
    def _one_subject_and_a_line(self) -> Check:
        given = [n for n in ("metric", "phrase", "pattern") if getattr(self, n) is not None]
        if len(given) != 1 or not getattr(self, given[0]).strip():
            raise ValueError(f"give one of metric, phrase and pattern, got {given or 'none'}")
        lines = [n for n in ("above", "below") if getattr(self, n) is not None]
        if self.against == "trailing" and lines:
            raise ValueError(f"against = 'trailing' has its line from false_alarms; remove {lines}")
        if self.against != "trailing" and not lines:
            raise ValueError(f"against = {self.against!r} needs above or below")
        if self.against == "tell" and self.metric is None:
            raise ValueError(f"against = 'tell' is for a metric; {given[0]}s have no tell size")
        if self.above is not None and self.below is not None and self.below > self.above:
            raise ValueError(f"below = {self.below} is more than above = {self.above}")
        return self

    @property
    def subject(self) -> str:
        """The subject in words: `metric l2_2gram`, `phrase it is worth noting`,
        `pattern not_x_but_y`."""
        kind = next(n for n in ("metric", "phrase", "pattern") if getattr(self, n) is not None)
        return f"{kind} {getattr(self, kind)}"

    def covers(self, model: str) -> bool:
        return fnmatchcase(model, self.model)


class Acknowledged(Frozen):
    """Silence for a check that somebody knows of, up to and including a date."""

    check: str = Field(min_length=1, description="name of the check", examples=["word pairs"])
    model: str = Field("*", description="which model corpora: a name, or one with * and ?")
    until: datetime.date = Field(
        description="the last date that is silent", examples=[datetime.date(2026, 12, 31)]
    )
    reason: str = Field("", description="shown in its place")

    def covers(self, model: str) -> bool:
        return fnmatchcase(model, self.model)

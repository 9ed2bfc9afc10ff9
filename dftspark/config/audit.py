"""The configuration of an audit: one TOML file, read once, checked whole, never changed after."""

from __future__ import annotations

import difflib
import hashlib
import tomllib
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Self, TypeVar, get_args, get_origin

from pydantic import (
    BaseModel,
    Field,
    ValidationError,
    create_model,
    field_validator,
    model_validator,
)

from dftspark.config.choose import Choose
from dftspark.config.corpora import Cleaning, Corpus, Tokens
from dftspark.config.frozen import Frozen
from dftspark.config.judge import Judge
from dftspark.config.lenses import Embedding, Inference, Mmd, Ngrams, Report, Sweep
from dftspark.config.nightly import NIGHTS_NAME, Acknowledged, Check, Nightly
from dftspark.config.publishing import Publishing
from dftspark.errors import ConfigError, EnvironmentProblem
from dftspark.lenses.lens import ours, sections, unknown
from dftspark.location import below

Model = TypeVar("Model", bound=BaseModel)
MOST_NAME = 128  # characters of a run's name


class Audit(Frozen):
    """One audit. Paths are relative to the working directory; `{date}` in them is the date."""

    name: str = Field(
        "audit",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        max_length=MOST_NAME,
        description="a part of every run's id",
    )
    out: str = Field("runs", description="folder or URI of the run store")
    lenses: tuple[str, ...] = Field(
        ("ngrams", "embeddings", "structure"),
        description=f"what is measured, of {', '.join(ours())}; embeddings need the extra "
        "`embed` and take longer; variety, which needs the extra `variety`, is likeness to the "
        "human answer (chrF, BLEU) and variety within and across prompts; "
        "judge needs [[judge.endpoints]] and costs what they charge",
    )
    prompts: Literal["all", "target", "validation", "referee"] = Field(
        "all",
        description="the prompts whose documents are kept, by their block: target is 0 to 47, "
        "validation 48 to 55, and referee 56 to 63, as `dftspark choose`, `reward` and `gate` "
        "divide them. Other documents count as filtered",
    )
    corpora: dict[str, Corpus]
    cleaning: Cleaning = Cleaning()
    tokens: Tokens = Tokens()
    ngrams: Ngrams = Ngrams()
    embedding: Embedding = Embedding()
    mmd: Mmd = Mmd()
    inference: Inference = Inference()
    report: Report = Report()
    judge: Judge = Judge()
    sweep: Sweep = Sweep()
    choose: Choose = Choose()
    keep_profile: bool = Field(True, description="keep the stored statistics in the run")
    nightly: Nightly = Nightly()
    publish: Publishing = Publishing()
    checks: tuple[Check, ...] = ()
    acknowledged: tuple[Acknowledged, ...] = ()
    _undated: str | None = None

    @field_validator("name")
    @classmethod
    def _not_a_nights(cls, name: str) -> str:
        if NIGHTS_NAME.fullmatch(name):
            raise ValueError(
                f"NAME.YYYY-MM-DD and NAME.reference are runs of the nightly audit NAME; take "
                f"another name, such as {name.replace('.', '-')!r}, got {name!r}"
            )
        return name

    @field_validator("lenses")
    @classmethod
    def _with_ngrams(cls, lenses: tuple[str, ...]) -> tuple[str, ...]:
        for said in map(unknown, lenses):
            if said:
                raise ValueError(said)
        if "ngrams" not in lenses:
            raise ValueError(f"lenses include 'ngrams', which verdicts rest on, got {lenses!r}")
        return tuple(dict.fromkeys(lenses))

    @model_validator(mode="after")
    def _judge_or_stand_in(self) -> Audit:
        judged = self.judge.endpoints or self.judge.picks is not None
        if "judge" in self.lenses and not judged and "embeddings" not in self.lenses:
            raise ValueError(
                "lenses have 'judge', but there is no [[judge.endpoints]]; the classifier that "
                "stands in is part of the lens 'embeddings', which is not there either"
            )
        return self

    @field_validator("corpora")
    @classmethod
    def _two_sides(cls, corpora: dict[str, Corpus]) -> dict[str, Corpus]:
        humans = [name for name, corpus in corpora.items() if corpus.role == "human"]
        if len(humans) != 1 or len(corpora) < 2:
            raise ValueError(
                f"an audit compares one human corpus with at least one model corpus; found "
                f"human {humans} and model {[n for n in corpora if n not in humans]}"
            )
        if corpora[humans[0]].split_by:
            raise ValueError(f"corpora.{humans[0]}: split_by is for model corpora")
        for name in corpora:
            if not name or "/" in name or name != name.strip():
                raise ValueError(f"a corpus name has no slash and no outer space, got {name!r}")
        return corpora

    @model_validator(mode="after")
    def _prompts_are_known_as_they_are_read(self) -> Audit:
        joined = [name for name, corpus in self.corpora.items() if corpus.join_copies]
        if self.prompts != "all" and joined:
            raise ValueError(
                f"prompts = {self.prompts!r} goes by the prompt of each document, and join_copies "
                f"of corpora.{joined[0]} gives documents that of another; leave one of them out"
            )
        return self

    @model_validator(mode="after")
    def _checks_have_names(self) -> Audit:
        names = [check.name for check in self.checks]
        again = sorted({name for name in names if names.count(name) > 1})
        if again:
            raise ValueError(f"checks have a name of their own each; more than one: {again}")
        for silence in self.acknowledged:
            if silence.check not in names:
                near = difflib.get_close_matches(silence.check, names, n=1)
                raise ValueError(
                    f"acknowledged: there is no check {silence.check!r}"
                    + (f"; did you mean {near[0]!r}?" if near else f"; there are {names}")
                )
        return self

    @property
    def sweeps(self) -> bool:
        """True if any corpus is cut into settings."""
        return any(corpus.split_by for corpus in self.corpora.values())

    @property
    def splits(self) -> int:
        """Number of random halvings of the blocks on which every measure is taken too; 0 with one
        model."""
        return self.sweep.splits if self.sweeps or len(self.corpora) > 2 else 0

    @property
    def human(self) -> str:
        return next(name for name, corpus in self.corpora.items() if corpus.role == "human")

    @property
    def embedding_store(self) -> str:
        return self.embedding.store or below(self.out, "embeddings")

    @property
    def verdict_store(self) -> str:
        return self.judge.store or below(self.out, "verdicts")

    @property
    def sha256(self) -> str:
        """Digest of the audit as written, with `{date}` in its paths, so that all nights have the
        same."""
        return self._undated or hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def on(self, date: str) -> Audit:
        """Returns the audit of one day: `{date}` in `out` and in the corpora's sources replaced."""
        corpora = {name: corpus.on(date) for name, corpus in self.corpora.items()}
        out = self.out.replace("{date}", date)
        found = self.model_copy(update={"out": out, "corpora": corpora})
        found._undated = self.sha256
        return found

    @classmethod
    def parse(cls, document: dict[str, Any], source: str) -> Audit:
        """Parses an audit. Raises ConfigError that lists every mistake with its place and the
        nearest name."""
        return parsed(cls._with_sections(document.get("lenses")), document, source)

    @classmethod
    def _with_sections(cls, lenses: Any) -> type[Self]:
        """Returns the class extended by the sections of lenses from other packages."""
        named = [name for name in lenses if isinstance(name, str)] if lenses else []
        theirs = sections(named)
        taken = theirs.keys() & cls.model_fields.keys()
        if taken:
            raise EnvironmentProblem(
                f"lenses of other packages have the names of sections of ours: {sorted(taken)}; "
                f"their packages must rename them"
            )
        fields: dict[str, Any] = {name: (kind, kind()) for name, kind in theirs.items()}
        return create_model(cls.__name__, __base__=cls, **fields) if fields else cls

    def section(self, name: str, kind: type[Model]) -> Model:
        """Returns the settings of a lens from another package, which its `section` declares."""
        found = getattr(self, name)
        assert isinstance(found, kind)
        return found

    @classmethod
    def load(cls, path: str | Path, **overrides: Any) -> Audit:
        document = read(Path(path))
        document.update({key: value for key, value in overrides.items() if value is not None})
        return cls.parse(document, str(path))


def read(path: Path) -> dict[str, Any]:
    """Reads a TOML file. Raises ConfigError if there is none, or it is not TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(
            f"{path}: there is no such file; `dftspark init {path}` writes a commented one"
        ) from error
    except RecursionError as error:
        raise ConfigError(
            f"{path}: not a readable TOML file: its brackets are nested too deep; no setting "
            f"needs more than four"
        ) from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: not a readable TOML file: {error}") from error


def parsed(model: type[Model], document: dict[str, Any], source: str) -> Model:
    """Checks settings. Raises ConfigError that lists every mistake with its place and the nearest
    name."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        lines = [_explain(model, dict(item)) for item in error.errors()]
        raise ConfigError(
            f"{source}: {len(lines)} mistake{'s' * (len(lines) != 1)}\n  " + "\n  ".join(lines)
        ) from error


def _explain(model: type[BaseModel], item: dict[str, Any]) -> str:
    place = ".".join(str(part) for part in item["loc"])
    if item["type"] != "extra_forbidden":
        found = "" if item["type"] in ("missing", "value_error") else f", got {item['input']!r}"
        return f"{place}: {item['msg'].removeprefix('Value error, ')}{found}"
    allowed = sorted(_fields_at(model, item["loc"][:-1]))
    near = difflib.get_close_matches(str(item["loc"][-1]), allowed, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    if "lenses" in allowed and not unknown(place) and place not in ours():
        hint = f"that of the lens {place!r} is read where lenses has {place!r}; "
    return f"{place}: there is no such setting; {hint}allowed here: {', '.join(allowed)}"


def _fields_at(model: type[BaseModel], loc: tuple[Any, ...]) -> set[str]:
    current: Any = model
    for part in loc:
        field = getattr(current, "model_fields", {}).get(part)
        if field is not None:
            current = field.annotation
            if current == dict[str, Corpus]:
                current = {"*": Corpus}
            elif get_origin(current) is tuple:
                current = {"*": get_args(current)[0]}
            elif isinstance(current, UnionType):
                current = get_args(current)[0]  # of a section that may be left out
        elif isinstance(current, dict):
            current = current["*"]
    return set(getattr(current, "model_fields", {}))

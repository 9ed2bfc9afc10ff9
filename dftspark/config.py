"""What an audit is told: one TOML file, read once, checked whole, never changed after."""

from __future__ import annotations

import difflib
import hashlib
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from dftspark.errors import ConfigError
from dftspark.frozen import Frozen
from dftspark.nightly_settings import Acknowledged, Check, Nightly


class Columns(Frozen):
    """Which source column holds what. A name left out is taken where the source has it."""

    text: str = Field("text", description="the document itself; required")
    doc_id: str | None = Field(None, description="unique name of a document in its corpus")
    prompt_id: str | None = Field(None, description="key of the prompt; documents share clusters")
    prompt: str | None = Field(None, description="the prompt's text")
    cluster: str | None = Field(None, description="unit of resampling, where it is not the prompt")
    model: str | None = Field(None, description="name of the model; null for human text")
    stratum: str | None = Field(None, description="genre or other group to compare within")
    date: str | None = Field(None, description="day of the document, YYYY-MM-DD")
    sampler: dict[str, str] = Field(
        default_factory=dict, description="sampler setting to column: {temperature = 'temp'}"
    )


class Corpus(Frozen):
    """Where the documents of one side are, and how to read them."""

    role: Literal["human", "model"] = Field(description="which side; one corpus is human")
    path: str | tuple[str, ...] = Field(description="file, folder, glob or URI, or a list of them")
    format: Literal["auto", "parquet", "jsonl", "csv", "text"] = Field(
        "auto", description="auto goes by the file name: .parquet .jsonl .csv .txt, also .gz .zst"
    )
    encoding: str = Field("utf-8", description="of JSONL, CSV and text; a byte-order mark wins")
    document: str = Field(
        "file", description="text only: 'file', 'line', or the separator between documents"
    )
    columns: Columns = Columns()
    filter: str | None = Field(
        None,
        description="Spark SQL over doc_id, text, prompt_id, prompt, model, stratum, date, "
        "sampler['...'] and any source column as fields['...']",
    )
    split_by: tuple[str, ...] = Field(
        (), description="source columns; one corpus per combination of their values"
    )
    same_id: Literal["rename", "reject"] = Field(
        "rename", description="a doc_id that comes again with another text"
    )

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.path,) if isinstance(self.path, str) else self.path


class Cleaning(Frozen):
    """What happens to text before anything is counted. Part of every fingerprint."""

    normalize: Literal["NFC", "none"] = Field("NFC", description="Unicode normal form")
    strip_invisible: bool = Field(
        True, description="remove control, zero-width and direction-override characters"
    )
    max_document_bytes: Annotated[int, Field(ge=1_000, le=100_000_000)] = Field(
        10_000_000, description="a longer document is a reject; bounds a task's memory"
    )
    max_reject_share: Annotated[float, Field(ge=0, le=1)] = Field(
        0.05, description="more rejects than this in any corpus end the run with exit code 4"
    )
    on_unreadable_file: Literal["reject", "fail"] = Field(
        "reject", description="one unreadable file: a reject row, or the end of the run"
    )


class Tokens(Frozen):
    """How text becomes tokens."""

    tokenizer: str = Field("words", description="'words', or 'hf:PATH' of a tokenizer.json")
    lowercase: bool = Field(False, description="words only: fold case one to one")

    @field_validator("tokenizer")
    @classmethod
    def _known(cls, value: str) -> str:
        if value != "words" and not (value.startswith("hf:") and len(value) > 3):
            raise ValueError(f"tokenizer is 'words' or 'hf:PATH/tokenizer.json', got {value!r}")
        return value

    @model_validator(mode="after")
    def _case_is_the_tokenizers_own(self) -> Tokens:
        if self.lowercase and self.tokenizer != "words":
            raise ValueError("lowercase goes with tokenizer = 'words'; hf tokenizers set their own")
        return self


class Ngrams(Frozen):
    """The n-gram lens."""

    orders: tuple[Annotated[int, Field(ge=1, le=5)], ...] = Field(
        (1, 2, 3, 4), min_length=1, description="values of n, from 1 to 5"
    )
    sketch_width: int = Field(
        4096,
        description="buckets of each block's Count-Sketch, a power of two; 64 blocks x "
        "width x 16 bytes an order bound a corpus's small state",
    )
    phrases: Annotated[int, Field(ge=100)] = Field(
        5_000, description="n-grams of each order whose text and example a profile keeps"
    )
    table_rows: Annotated[int, Field(ge=10)] = Field(
        1_000, description="rows of the ngrams table per order and pair, before the remainder"
    )
    buffer_mb: Annotated[int, Field(ge=16)] = Field(
        512, description="memory a task may hold in counts before it flushes them, MiB"
    )
    inference_ngrams: Annotated[int, Field(ge=256)] = Field(
        4096, description="n-grams sampled for intervals of Jensen-Shannon and total variation"
    )

    @field_validator("orders")
    @classmethod
    def _ascending(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted(set(value)))

    @field_validator("sketch_width")
    @classmethod
    def _power_of_two(cls, value: int) -> int:
        if value < 256 or value > 2**18 or value & (value - 1):
            raise ValueError(f"sketch_width is a power of two from 256 to 262144, got {value}")
        return value


_NUMBER_OR_WORD = {
    "sample": (100, "all"),
    "max_tokens": (16, "auto"),
    "batch_tokens": (256, "auto"),
    "threads": (1, "auto"),
}


class Embedding(Frozen):
    """How documents become vectors. What changes a vector is part of its fingerprint."""

    embedder: str = Field(
        "all-MiniLM-L6-v2",
        min_length=1,
        description="all-MiniLM-L6-v2 comes with the extra `embed`; 'static' is a table of token "
        "vectors distilled from it, for millions of documents on CPUs; else the folder of a "
        "sentence-transformers model, the same on every executor, or its name on the Hugging Face "
        "hub",
    )
    revision: str = Field("main", description="commit, tag or branch of a model of the hub")
    download: bool = Field(
        False, description="fetch a model of the hub that is not in the cache; needs the network"
    )
    sample: int | Literal["all"] = Field(
        2_000,
        description="documents of each corpus that are embedded, by whole clusters in the order of "
        "a hash, so that corpora share prompts; or 'all'",
    )
    long_documents: Literal["truncate", "windows"] = Field(
        "truncate", description="a longer document: its beginning, or the mean over its windows"
    )
    max_tokens: int | Literal["auto"] = Field(
        "auto", description="tokens that are read at once; auto: as many as the model says"
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="auto: the GPU that Spark gives a task, else the CPU"
    )
    precision: Literal["auto", "float32", "float16", "bfloat16"] = Field(
        "auto",
        description="auto: float32 on a CPU; on a GPU as published where that is half precision, "
        "else float16. Name one where CPU and GPU jobs share a store",
    )
    batch_tokens: int | Literal["auto"] = Field(
        "auto",
        description="tokens in a batch, padding included, halved where memory runs out; auto: "
        "8,192 on a CPU, 65,536 on a GPU",
    )
    threads: int | Literal["auto"] = Field(
        "auto", description="of a task; auto: as many as spark.task.cpus"
    )
    store: str | None = Field(
        None,
        description="folder or URI that keeps vectors for later runs, else `embeddings` in `out`",
    )

    @field_validator("sample", "max_tokens", "batch_tokens", "threads", mode="before")
    @classmethod
    def _number_or_word(cls, value: Any, info: ValidationInfo) -> Any:
        name = str(info.field_name)
        least, word = _NUMBER_OR_WORD[name]
        counts = isinstance(value, int) and not isinstance(value, bool) and value >= least
        if value != word and not counts:
            raise ValueError(f"{name} is a number from {least} on, or {word!r}, got {value!r}")
        return value

    @model_validator(mode="after")
    def _of_the_hub(self) -> Embedding:
        own = self.embedder in ("all-MiniLM-L6-v2", "static")
        if own and (self.revision != "main" or self.download):
            raise ValueError(
                f"revision and download go with a model of the hub; {self.embedder!r} comes with "
                f"the extra `embed`"
            )
        return self


class Inference(Frozen):
    """Intervals, tests and floors."""

    permutations: Annotated[int, Field(ge=99)] = Field(999, description="relabelings of a test")
    splits: Annotated[int, Field(ge=20)] = Field(
        200, description="human halves behind the floor, and relabelings behind mde"
    )
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = Field(0.95, description="of intervals")
    seed: Annotated[int, Field(ge=0)] = Field(0, description="of relabelings and splits")


class Mmd(Frozen):
    """Distances of embeddings, by random features."""

    features: Annotated[int, Field(ge=64, le=65_536)] = Field(
        2048, description="frequencies, at least; the next multiple of the vectors' width is taken"
    )
    bandwidth: Annotated[float, Field(ge=0)] = Field(
        0.0, description="sigma; 0: the median distance of the pilot. Set it to compare runs"
    )
    pilot: Annotated[int, Field(ge=20, le=10_000)] = Field(
        1_000, description="documents of each corpus behind the median distance"
    )
    seed: Annotated[int, Field(ge=0)] = Field(0, description="of frequencies and pilot")
    exact: Annotated[int, Field(ge=0, le=20_000)] = Field(
        0,
        description="documents of each side whose MMD is also taken by the kernel itself, as a "
        "check on the features; quadratic in their number, so 2000 is plenty; 0: none",
    )
    weights: Literal["human", "uniform"] = Field(
        "human", description="what a stratum weighs where strata are compared one by one"
    )


class Report(Frozen):
    """The page that every audit leaves in its run, as report.html."""

    page: bool = Field(True, description="write it; it needs the extra `report`")
    copy_swap: bool = Field(
        True,
        description="copying an excerpt from the page swaps a few words for fruits and animals, so "
        "that no text of a model is pasted unread",
    )
    history: Annotated[int, Field(ge=0, le=1_000)] = Field(
        90, description="earlier runs of the same name in the store that its curves show"
    )


class Endpoint(Frozen):
    """A judge: one model behind one address that speaks the chat-completions protocol."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        description="the judge's name in every table",
        examples=["mini"],
    )
    url: str = Field(
        description="its address, up to the version", examples=["https://api.openai.com/v1"]
    )
    model: str = Field(
        min_length=1, description="the model's name there", examples=["gpt-5.4-mini"]
    )
    key_env: str | None = Field(
        None,
        description="environment variable that holds the key, on the driver and on executors",
    )
    price_in: Annotated[float, Field(ge=0)] = Field(
        0.0, description="price of a million tokens that are read, in any currency"
    )
    price_out: Annotated[float, Field(ge=0)] = Field(
        0.0, description="price of a million tokens that are written, in the same currency"
    )
    concurrency: Annotated[int, Field(ge=1, le=1_000)] = Field(
        16, description="requests at once, of all tasks together"
    )
    timeout: Annotated[float, Field(gt=0)] = Field(
        120.0, description="seconds that one request may take"
    )
    structured: Literal["json_schema", "json_object", "none"] = Field(
        "json_schema", description="how the form of the answer is enforced; see docs/judge.md"
    )
    logprobs: bool = Field(
        False, description="ask for log-probabilities too: a close call is told from a clear one"
    )
    options: dict[str, Any] = Field(
        default={"temperature": 0.0, "max_tokens": 256},
        description="sent with each request as they stand; a judge that reasons needs more tokens",
    )

    @field_validator("url")
    @classmethod
    def _plain_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("url begins with https:// or http:// and names a host")
        if parts.query or parts.fragment or "@" in parts.netloc:
            raise ValueError(
                "url has no user, query or fragment: a key comes from the environment variable "
                "that key_env names"
            )
        return value.rstrip("/")

    @field_validator("key_env")
    @classmethod
    def _a_name(cls, value: str | None) -> str | None:
        # A message that showed what was given could show a key.
        if value is not None and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,63}", value):
            raise ValueError(
                "key_env is the name of an environment variable, as OPENAI_API_KEY is, and not the "
                "key itself"
            )
        return value

    @field_validator("options")
    @classmethod
    def _not_ours(cls, value: dict[str, Any]) -> dict[str, Any]:
        own = {"model", "messages", "response_format", "logprobs", "top_logprobs", "stream", "n"}
        if own & value.keys():
            raise ValueError(f"{sorted(own & value.keys())} are not for options to set")
        return value

    @property
    def most_tokens_out(self) -> int:
        """What an answer may cost in tokens."""
        asked = [self.options.get(name) for name in ("max_completion_tokens", "max_tokens")]
        return max([value for value in asked if isinstance(value, int)], default=1_024)


DIMENSIONS = ("overall", "clarity", "coherence", "creativity", "depth", "relevance")


class Judge(Frozen):
    """The judge lens: which of two texts on one prompt a judge prefers. It costs money; each
    judge is a part [[judge.endpoints]] of this file."""

    pairs: Annotated[int, Field(ge=2, le=100_000)] = Field(
        400, description="prompts on which each model is compared with human, in both orders"
    )
    dimensions: tuple[str, ...] = Field(
        DIMENSIONS, min_length=1, description="what is asked; each is a file of the prompts"
    )
    controls: tuple[Literal["human", "broken", "models"], ...] = Field(
        ("human", "broken", "models"),
        description="human against human, human against model text with its words shuffled, and "
        "each model against the next one",
    )
    control_pairs: Annotated[int, Field(ge=2, le=100_000)] = Field(
        100, description="pairs of each control; they are judged on the first dimension alone"
    )
    ties: bool = Field(True, description="whether a judge may answer that neither is better")
    prompts: str | None = Field(
        None, description="folder of prompts to use instead of the package's own"
    )
    max_characters: Annotated[int, Field(ge=200)] = Field(
        20_000, description="a longer text is cut to this for the judge, on both sides"
    )
    max_requests: Annotated[int, Field(ge=0)] = Field(
        20_000, description="cap of one run, retries included; then it ends cleanly, exit code 5"
    )
    max_tokens: Annotated[int, Field(ge=0)] = Field(
        50_000_000, description="the same of tokens read and written"
    )
    max_cost: Annotated[float, Field(ge=0)] = Field(
        25.0, description="the same of their price, in the currency of the endpoints' prices"
    )
    retries: Annotated[int, Field(ge=0, le=20)] = Field(
        5, description="of a request, after 429, 5xx, a time-out or a lost connection"
    )
    tasks: Annotated[int, Field(ge=0, le=256)] = Field(
        2,
        description="Spark tasks of each judge, which share its concurrency; 0: the driver asks",
    )
    store: str | None = Field(
        None,
        description="folder that keeps verdicts for later runs, else `verdicts` in `out`; of a "
        "file system that driver and executors share",
    )
    endpoints: tuple[Endpoint, ...] = Field((), description="the judges; without, none is asked")

    @field_validator("dimensions")
    @classmethod
    def _file_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if not re.fullmatch(r"[a-z][a-z0-9_]{0,31}", name):
                raise ValueError(f"a dimension is a word in small letters, got {name!r}")
        return tuple(dict.fromkeys(value))

    @field_validator("endpoints")
    @classmethod
    def _unlike_names(cls, value: tuple[Endpoint, ...]) -> tuple[Endpoint, ...]:
        names = [endpoint.name for endpoint in value]
        if len(set(names)) < len(names):
            raise ValueError(f"each judge has a name of its own, got {names}")
        return value


class Sweep(Frozen):
    """Corpora of one model under many settings, side by side: their best by each measure.

    Every corpus with `split_by` is a sweep of its parts.
    """

    challenger: str | None = Field(
        None,
        description="a model corpus, or a part of one as corpus/value, that is held against the "
        "best settings of every sweep; it is no setting itself",
    )
    splits: Annotated[int, Field(ge=2, le=200)] = Field(
        20,
        description="random halves of the prompts: a setting is chosen on one, reported on "
        "the other",
    )
    measures: tuple[str, ...] = Field(
        (
            "l2_squared_corrected_*gram",
            "js_1gram",
            "mmd_squared",
            "structure_outside",
            "wasserstein_sentence_words",
            "rate_alike_sentences",
            "rate_em_dash",
            "rate_other_script",
            "rate_repeated_trigrams",
        ),
        min_length=1,
        description="measures, with * for any part of a name, by which the challenger is judged "
        "and whose best settings are held against each other",
    )
    rates: tuple[str, ...] = Field(
        (
            "alike_sentences",
            "contraction",
            "contrast_not_but",
            "em_dash",
            "list_item",
            "other_script",
            "participle_tail",
            "repeated_trigrams",
            "sentence_length",
            "triad_words",
            "type_token_ratio",
        ),
        description="measures of the structure lens that are followed one by one, as rate_NAME",
    )


class Audit(Frozen):
    """One audit. Paths are relative to the working directory; `{date}` in them is the date."""

    name: str = Field(
        "audit", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="a part of every run's id"
    )
    out: str = Field("runs", description="folder or URI of the run store")
    lenses: tuple[Literal["ngrams", "embeddings", "structure", "variety", "judge"], ...] = Field(
        ("ngrams", "embeddings", "structure"),
        description="what is measured; embeddings need the extra `embed` and take longer; variety, "
        "which needs the extra `variety`, is likeness to the human answer (chrF, BLEU) and "
        "variety within and across prompts; judge needs [[judge.endpoints]] and costs what they "
        "charge",
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
    keep_profile: bool = Field(True, description="keep the stored statistics in the run")
    nightly: Nightly = Nightly()
    checks: tuple[Check, ...] = ()
    acknowledged: tuple[Acknowledged, ...] = ()
    _undated: str | None = None

    @field_validator("lenses")
    @classmethod
    def _with_ngrams(cls, lenses: tuple[str, ...]) -> tuple[str, ...]:
        if "ngrams" not in lenses:
            raise ValueError(f"lenses include 'ngrams', which verdicts rest on, got {lenses!r}")
        return tuple(dict.fromkeys(lenses))

    @model_validator(mode="after")
    def _judge_or_stand_in(self) -> Audit:
        if "judge" in self.lenses and not self.judge.endpoints and "embeddings" not in self.lenses:
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
        """Whether a corpus is cut into settings."""
        return any(corpus.split_by for corpus in self.corpora.values())

    @property
    def splits(self) -> int:
        """Random halves of the blocks on which every measure is taken too; 0 with one model."""
        return self.sweep.splits if self.sweeps or len(self.corpora) > 2 else 0

    @property
    def human(self) -> str:
        return next(name for name, corpus in self.corpora.items() if corpus.role == "human")

    @property
    def embedding_store(self) -> str:
        return self.embedding.store or f"{self.out.rstrip('/')}/embeddings"

    @property
    def verdict_store(self) -> str:
        return self.judge.store or f"{self.out.rstrip('/')}/verdicts"

    @property
    def sha256(self) -> str:
        """Of the audit as it is written, with `{date}` in its paths: all nights have the same."""
        return self._undated or hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def on(self, date: str) -> Audit:
        """The audit of one day: `{date}` in `out` and in the corpora's paths replaced."""
        corpora = {
            name: corpus.model_copy(
                update={"path": tuple(path.replace("{date}", date) for path in corpus.paths)}
            )
            for name, corpus in self.corpora.items()
        }
        out = self.out.replace("{date}", date)
        found = self.model_copy(update={"out": out, "corpora": corpora})
        found._undated = self.sha256
        return found

    @classmethod
    def parse(cls, document: dict[str, Any], source: str) -> Audit:
        """Raises ConfigError that lists every mistake with its place and the nearest name."""
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            lines = [_explain(cls, dict(item)) for item in error.errors()]
            raise ConfigError(
                f"{source}: {len(lines)} mistake{'s' * (len(lines) != 1)}\n  " + "\n  ".join(lines)
            ) from error

    @classmethod
    def load(cls, path: str | Path, **overrides: Any) -> Audit:
        path = Path(path)
        try:
            document = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise ConfigError(
                f"{path}: there is no such file; `dftspark init {path}` writes a commented one"
            ) from error
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ConfigError(f"{path}: not a readable TOML file: {error}") from error
        document.update({key: value for key, value in overrides.items() if value is not None})
        return cls.parse(document, str(path))


def _explain(model: type[BaseModel], item: dict[str, Any]) -> str:
    place = ".".join(str(part) for part in item["loc"])
    if item["type"] != "extra_forbidden":
        found = "" if item["type"] in ("missing", "value_error") else f", got {item['input']!r}"
        return f"{place}: {item['msg'].removeprefix('Value error, ')}{found}"
    allowed = sorted(_fields_at(model, item["loc"][:-1]))
    near = difflib.get_close_matches(str(item["loc"][-1]), allowed, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{place}: there is no such setting; {hint}allowed here: {', '.join(allowed)}"


def _fields_at(model: type[BaseModel], loc: tuple[Any, ...]) -> set[str]:
    current: Any = model
    for part in loc:
        field = getattr(current, "model_fields", {}).get(part)
        if field is not None:
            current = field.annotation
            if current == dict[str, Corpus]:
                current = {"*": Corpus}
            elif current == tuple[Endpoint, ...]:
                current = {"*": Endpoint}
        elif isinstance(current, dict):
            current = current["*"]
        elif get_origin(current) is tuple:  # a list of tables, and `part` a place in it
            current = get_args(current)[0]
    return set(getattr(current, "model_fields", {}))

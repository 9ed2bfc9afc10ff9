"""Checks that the two sides take different rows if both are given the same file."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from dftspark.config import Corpus
from dftspark.corpus.mapping import Mapping as Sources
from dftspark.errors import ConfigError
from dftspark.location import redact


def check_sides(corpora: Mapping[str, Corpus], files: Mapping[str, Mapping[Hashable, str]]) -> None:
    """Raises ConfigError if a human and a model corpus read the same texts of the same file.

    `files` maps, for each corpus, the identity of a file to its path. Both sides may be given the
    same file if each has a filter, or reads its texts from a different column.
    """
    humans = [name for name, corpus in corpora.items() if corpus.role == "human"]
    for human in humans:
        for name, corpus in corpora.items():
            shared = [key for key in files[human] if key in files[name]]
            if corpus.role == "model" and shared and not _told_apart(corpora[human], corpus):
                more = f" and {len(shared) - 1:,} more" if len(shared) > 1 else ""
                raise ConfigError(
                    f"corpora.{human} and corpora.{name} both read "
                    f"{redact(files[human][shared[0]])!r}{more}, {_how(corpora[human], corpus)}: "
                    f"whatever they are, they would be found alike. Where a column says which "
                    f"model wrote a row, null for human text, take each side's rows by it:\n"
                    f'  [corpora.{human}]\n  filter = "model IS NULL"\n'
                    f'  [corpora.{name}]\n  filter = "model IS NOT NULL"\n'
                    f"  (another name of the column is set by corpora.{name}.columns.model); where "
                    f"each side has a column of texts, name them by columns.text; otherwise give "
                    f"each side files of its own"
                )


def _told_apart(human: Corpus, model: Corpus) -> bool:
    if (human.columns.text, human.document) != (model.columns.text, model.document):
        return True
    named = Sources.of(model).model in model.split_by
    return (
        human.filter is not None
        and (model.filter is not None or named)
        and (human.filter.split() != (model.filter or "").split())
    )


def _how(human: Corpus, model: Corpus) -> str:
    if human.filter is None:
        return "and the human side takes all of its rows, having no filter"
    if model.filter is None:
        return "and the model side takes all of its rows, having no filter"
    return f"by the same filter {human.filter!r}"

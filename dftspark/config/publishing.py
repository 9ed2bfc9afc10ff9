"""Where the tables of a finished run go besides the run store."""

from __future__ import annotations

import re

from pydantic import Field, field_validator

from dftspark.config.frozen import Frozen
from dftspark.errors import ConfigError

_DATABASE = re.compile(r"[\w-]{1,128}(\.[\w-]{1,128}){0,4}", re.ASCII)


class Publishing(Frozen):
    """Tables of a catalog to which audits and nights add their result tables, through Spark. The
    run store keeps every run all the same, and nothing reads these tables back."""

    tables: str | None = Field(
        None,
        description="database of a catalog, as catalog.database or database; the database must "
        "exist, its tables are made",
    )

    @field_validator("tables")
    @classmethod
    def _database(cls, tables: str | None) -> str | None:
        if tables is not None and not _DATABASE.fullmatch(tables):
            raise ValueError(_unlike(tables))
        return tables


def database(tables: str) -> str:
    """Returns the name of a database as it is. Raises ConfigError for what cannot be one."""
    if not _DATABASE.fullmatch(tables):
        raise ConfigError(f"--tables: {_unlike(tables)}")
    return tables


def _unlike(tables: str) -> str:
    return f"a database of a catalog is named like main.audits or audits, got {tables!r}"

"""Models that scored: kept as JSON with a card, and read back to the same numbers.

A stage that fits a model writes it into its build, and it is published with the stage.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import duckdb

from strata.run import Run

CONVERGED = "converged"


class AlteredModelError(RuntimeError):
    """A stored model whose content is not what was recorded of it."""


@dataclass(frozen=True)
class StoredModel:
    """A row of ``models.registry``.

    ``artefact`` holds the parameters, ``card`` what an auditor asks about them. Only
    a model with status ``converged`` is used again.
    """

    model: str
    version: str
    trained_through: date
    status: str
    card: Mapping[str, Any]
    artefact: Mapping[str, Any]

    @property
    def artefact_text(self) -> str:
        """The artefact as it is stored; floats are written so that they read back."""
        return _text(self.artefact)

    @property
    def artefact_hash(self) -> str:
        """SHA-256 of the stored artefact."""
        return _hash(self.artefact_text)


def version_of(
    model: str, ds: date, artefact: Mapping[str, Any], fingerprint: str
) -> str:
    """``<model>-<ds>-<hash8>`` of the parameters and of the data they come from."""
    return f"{model}-{ds.isoformat()}-{_hash(_text(artefact) + fingerprint)[:8]}"


def newest_model(
    con: duckdb.DuckDBPyConnection,
    model: str,
    ds: date,
    max_age_days: int,
    statuses: tuple[str, ...] = (CONVERGED,),
) -> StoredModel | None:
    """The newest ``model`` that a run of ``ds`` may use, None to fit one.

    Never one that has seen later days, nor one older than ``max_age_days``. Raises
    ``AlteredModelError`` where the artefact does not match its recorded hash.
    """
    columns = "model, version, trained_through, status, card, artefact, artefact_hash"
    known = earlier(con, "models", "registry", columns)
    if known is None:
        return None
    row = con.execute(
        f"""
        select version, trained_through, status, card, artefact, artefact_hash
        from ({known})
        where model = ? and list_contains(?, status)
            and trained_through between ? and ?
        order by trained_through desc, version desc
        limit 1
        """,
        [model, list(statuses), ds - timedelta(days=max_age_days), ds],
    ).fetchone()
    if row is None:
        return None
    version, trained_through, status, card, artefact, recorded = row
    if _hash(artefact) != recorded:
        raise AlteredModelError(
            f"models.registry: the artefact of {version} does not match its hash; "
            "restore it, or delete the row so that the model is fitted again"
        )
    return StoredModel(
        model, version, trained_through, status, json.loads(card), json.loads(artefact)
    )


def write_models(
    con: duckdb.DuckDBPyConnection, run: Run, fitted: list[StoredModel]
) -> None:
    """Write ``build_models.registry``: the models fitted by this run, perhaps none."""
    con.execute("create schema if not exists build_models")
    con.execute(
        """
        create table if not exists build_models.registry (
            model varchar, version varchar, trained_through date, card varchar,
            artefact varchar, artefact_hash varchar, status varchar, _run_id varchar
        )
        """
    )
    for item in fitted:
        con.execute(
            "delete from build_models.registry where model = ? and version = ?",
            [item.model, item.version],
        )
        con.execute(
            "insert into build_models.registry values (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                item.model,
                item.version,
                item.trained_through,
                _text(item.card),
                item.artefact_text,
                item.artefact_hash,
                item.status,
                run.run_id,
            ],
        )


def put_in_force(
    con: duckdb.DuckDBPyConnection, model: str, versions: Mapping[date, str]
) -> None:
    """Write to ``learned.models_in_force`` which version of ``model`` a day has.

    A day that has none has no row. SQL looks up there what each snapshot is made with.
    """
    con.execute("create schema if not exists learned")
    con.execute(
        "create table if not exists learned.models_in_force"
        " (ds date, model varchar, version varchar)"
    )
    con.execute("delete from learned.models_in_force where model = ?", [model])
    for ds, version in sorted(versions.items()):
        con.execute(
            "insert into learned.models_in_force values (?, ?, ?)",
            [ds, model, version],
        )


def earlier(
    con: duckdb.DuckDBPyConnection,
    schema: str,
    table: str,
    columns: str,
    day: str | None = None,
) -> str | None:
    """SQL for what is published and what this run has built; None where neither is.

    With ``day``, a column, what is built of a day stands for what is published of it.
    """
    found = con.execute(
        "select table_schema from information_schema.tables"
        " where table_schema in (?, ?) and table_name = ? order by table_schema desc",
        [schema, f"build_{schema}", table],
    ).fetchall()
    parts = [f'select {columns} from "{place}"."{table}"' for (place,) in found]
    if day is not None and len(parts) == 2:
        built = f'"build_{schema}"."{table}"'
        parts[0] += f" where {day} not in (select {day} from {built})"
    return " union all ".join(parts) or None


def _text(content: Mapping[str, Any]) -> str:
    return json.dumps(content, sort_keys=True, allow_nan=False)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

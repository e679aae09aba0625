"""Models of matching in ``models.registry``: kept for ever, loaded to the same numbers."""

import json
from datetime import date
from typing import Final

import duckdb

from strata.identity.matching.model import Model
from strata.run import Run

NAME: Final = "matching"


def active_model(
    con: duckdb.DuckDBPyConnection, ds: date, generation: int
) -> Model | None:
    """The newest model of the generation that a run for ``ds`` may know.

    Raises ``ValueError`` where the text of a model is not what was entered.
    """
    row = con.execute(
        """
        select artefact, artefact_hash
        from models.registry
        where
            model = $name
            and trained_through <= $ds
            and cast(json_extract_string(card, '$.generation') as integer) = $generation
        order by trained_through desc, version
        limit 1
        """,
        {"name": NAME, "ds": ds, "generation": generation},
    ).fetchone()
    if row is None:
        return None
    model = Model.from_json(row[0])
    if model.content_hash != row[1]:
        raise ValueError(
            "models.registry: the artefact of a matching model does not match its hash; "
            "raise training.generation in config/matching.yml to train another"
        )
    return model


def enter_model(
    con: duckdb.DuckDBPyConnection,
    run: Run,
    model: Model,
    records: int,
    generation: int,
) -> None:
    """Enter a model that the first day of ``run`` trained."""
    card = {
        "records": records,
        "generation": generation,
        "comparisons": [c.name for c in model.comparisons],
        "share_of_pairs": model.share,
    }
    con.execute(
        "delete from models.registry where model = ? and version = ?",
        [NAME, model.version],
    )
    con.execute(
        "insert into models.registry by name select $model as model,"
        " $version as version, $through as trained_through, $card as card,"
        " $artefact as artefact, $hash as artefact_hash, $status as status,"
        " $run_id as _run_id",
        {
            "model": NAME,
            "version": model.version,
            "through": run.days[0],
            "card": json.dumps(card, sort_keys=True),
            "artefact": model.to_json(),
            "hash": model.content_hash,
            "status": "converged" if model.converged else "not_converged",
            "run_id": run.run_id,
        },
    )

"""Splink's part: levels of agreement and weights of candidate pairs.

Splink works in the database of its caller, which is one in memory. It gets the pairs
from us and its parameters from the model, so what it gives for a pair depends on the
two records and the model alone.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

import duckdb
import pyarrow as pa

from strata.identity.matching.comparing import Comparison
from strata.identity.matching.model import Chance, Model

_EMPTY: Final = 0.5


def agreements(
    con: duckdb.DuckDBPyConnection, comparisons: Sequence[Comparison], pairs: str
) -> pa.Table:
    """How often each pattern of levels occurs among ``pairs``.

    One row a pattern: a column a comparison, and ``pairs``. A level is counted from the
    worst, 0; -1 is unknown. Splink writes weights and not levels where it need not keep
    the compared columns, so each level is given the weight that is its number.
    """
    found = _predict(con, _settings(comparisons, None), pairs, None)
    columns = ", ".join(
        f"cast(round(mw_{c.name}) as integer) - 1 as {c.name}" for c in comparisons
    )
    result = con.execute(
        f"select {columns}, count(*) as pairs from {found} group by all order by all"
    ).to_arrow_table()
    con.execute(f"drop table {found}")
    return result


def weights(con: duckdb.DuckDBPyConnection, model: Model, pairs: str) -> pa.Table:
    """The match weight of each of ``pairs``.

    Columns left_record, right_record, weight (log2 odds, those of a random pair
    included) and is_contradicted: both birth dates are known, and they differ by more
    than two typing errors.
    """
    settings = _settings(model.comparisons, model)
    found = _predict(con, settings, pairs, model)
    result = con.execute(
        f"""
        select
            found.record_l as left_record,
            found.record_r as right_record,
            round(found.match_weight, 6) as weight,
            coalesce(
                damerau_levenshtein(lefts.born_on, rights.born_on) > 2, false
            ) as is_contradicted,
        from {found} as found
        inner join records as lefts on found.record_l = lefts.record
        inner join records as rights on found.record_r = rights.record
        order by all
        """
    ).to_arrow_table()
    con.execute(f"drop table {found}")
    return result


def _predict(
    con: duckdb.DuckDBPyConnection,
    settings: dict[str, Any],
    pairs: str,
    model: Model | None,
) -> str:
    """Score ``pairs`` into a table of Splink's; its name."""
    from splink import DuckDBAPI, Linker

    api = DuckDBAPI(con)
    linker = Linker(api.register("records"), settings)
    logging.getLogger("splink").setLevel(logging.ERROR)  # it sets its own at the start
    for column, shares in model.frequencies.items() if model else ():
        con.register("common", _shares(column, shares))
        con.execute(
            f"create or replace table shares_{column} as"
            f" select distinct {column}, coalesce(share, $rarest) as tf_{column}"
            f" from records left join common using ({column}) where {column} is not null",
            {"rarest": model.rarest[column] if model else 0.0},
        )
        con.unregister("common")
        linker.table_management.register_term_frequency_lookup(
            api.register(f"shares_{column}"), column
        )
    con.execute(
        "create or replace table asked as select '0' as match_key,"
        f" left_record as join_key_l, right_record as join_key_r from {pairs}"
    )
    linker.table_management.register_blocked_pairs_for_predict(api.register("asked"))
    return str(linker.inference.predict(warning_mode="never").physical_name)


def _shares(column: str, shares: Mapping[str, float]) -> pa.Table:
    return pa.table(
        {
            column: pa.array(shares.keys(), pa.string()),
            "share": pa.array(shares.values(), pa.float64()),
        }
    )


def _settings(comparisons: Sequence[Comparison], model: Model | None) -> dict[str, Any]:
    """Splink's settings; without a model, parameters that mean nothing."""
    return {
        "link_type": "dedupe_only",
        "sql_dialect": "duckdb",
        "unique_id_column_name": "record",
        "blocking_rules_to_generate_predictions": ["l.record = r.record"],
        "probability_two_random_records_match": model.share if model else _EMPTY,
        "retain_matching_columns": False,
        "retain_intermediate_calculation_columns": model is None,
        "comparisons": [_comparison(c, model) for c in comparisons],
    }


def _comparison(comparison: Comparison, model: Model | None) -> dict[str, Any]:
    levels: list[dict[str, Any]] = [
        {
            "sql_condition": comparison.unknown,
            "label_for_charts": "unknown",
            "is_null_level": True,
        }
    ]
    names = [(x.name, x.condition, x.frequency_of) for x in comparison.levels]
    names.append(("different", "ELSE", None))
    for place, (name, condition, frequency_of) in enumerate(names):
        chance = (
            model.chances[comparison.name][name]
            if model
            else Chance(_EMPTY, _EMPTY / 2 ** (len(names) - place))
        )
        level = {
            "sql_condition": condition,
            "label_for_charts": name,
            "m_probability": chance.match,
            "u_probability": chance.other,
        }
        if model and frequency_of in model.frequencies:
            level |= {
                "tf_adjustment_column": frequency_of,
                "tf_adjustment_weight": 1.0,
                "tf_minimum_u_value": 0.0,
                "disable_tf_exact_match_detection": True,
            }
        levels.append(level)
    return {
        "output_column_name": comparison.name,
        "comparison_levels": levels,
    }

"""The tables that identity keeps: its ledger, its history, and what it may not lose."""

from collections.abc import Mapping

import duckdb

from strata.config.identity import NAME

JOINING = f"identifier_type <> '{NAME}'"
"""The condition of rows of ``staging.identifiers`` that may join records: a name that
two records bear says nothing of them."""

STATE = "identity"
BUILD = "build_identity"

# Grain, then the columns. All are state; a run writes their full new content.
TABLES: Mapping[str, str] = {
    # Link of two identifier values, shown by one source record. The periods number the
    # times for which a value was in use, where its type has a window; else they are 0.
    "edges": """
        edge_id varchar not null,
        system varchar not null,
        entity varchar not null,
        record_key varchar not null,
        left_type varchar not null,
        left_hash varchar not null,
        left_period integer not null,
        right_type varchar not null,
        right_hash varchar not null,
        right_period integer not null,
        key_version varchar not null,
        rule varchar not null,
        strength integer not null,
        first_seen_at timestamp not null,
        last_seen_at timestamp not null,
        status varchar not null,
        rejected_by varchar,
        effective_from date not null,
        _run_id varchar not null
    """,
    # unified_user_id.
    "id_ledger": """
        unified_user_id varchar not null,
        anchor_system varchar not null,
        anchor_entity varchar not null,
        anchor_record_key varchar not null,
        anchor_type varchar not null,
        anchor_hash varchar not null,
        anchor_first_seen_at timestamp not null,
        minted_on date not null,
        status varchar not null,
        redirects_to varchar,
        redirected_on date,
        _run_id varchar not null
    """,
    # Source record, effective_from, recorded_from. Both intervals are half open.
    "id_map": """
        system varchar not null,
        entity varchar not null,
        record_key varchar not null,
        unified_user_id varchar,
        effective_from date not null,
        effective_to date,
        recorded_from date not null,
        recorded_to date,
        cause varchar not null,
        edge_id varchar,
        _run_id varchar not null
    """,
    # Source record that showed something when it was last resolved: its raw component
    # (all that hangs together by any link, accepted or not), whether values were weighed
    # there by how long they were seen, and a hash of what the record showed. All can be
    # made again from staging, by resolving everything.
    "components": """
        system varchar not null,
        entity varchar not null,
        record_key varchar not null,
        component ubigint not null,
        evidence_hash ubigint not null,
        _run_id varchar not null,
        is_weighed boolean
    """,
    # One row: the day that the other tables are of, the rules that made them, and how
    # many rows they then had.
    "resolution": """
        ds date not null,
        rules_hash varchar not null,
        history_rows bigint not null,
        ids bigint not null,
        edges bigint not null,
        _run_id varchar not null
    """,
    # Candidate pair of source records.
    "match_review": """
        left_system varchar not null,
        left_entity varchar not null,
        left_record_key varchar not null,
        right_system varchar not null,
        right_entity varchar not null,
        right_record_key varchar not null,
        weight double not null,
        decision varchar,
        decided_by varchar,
        decided_on date,
        _run_id varchar not null,
        status varchar,
        model_version varchar,
        matched_on date,
        first_seen_at timestamp,
        applies_from date
    """,
    # Source record that matching has compared.
    "match_records": """
        system varchar not null,
        entity varchar not null,
        record_key varchar not null,
        content_hash varchar not null,
        compared_on date not null,
        _run_id varchar not null
    """,
}

CURRENT_VIEW = f"""
    create or replace view {STATE}.id_map_current as
    select
        system,
        entity,
        record_key,
        unified_user_id,
        effective_from,
        cause,
        edge_id,
    from {STATE}.id_map
    where recorded_to is null and effective_to is null
"""


def create_state(con: duckdb.DuckDBPyConnection) -> None:
    """Make the state tables and the view of open rows where they are missing."""
    con.execute(f"create schema if not exists {STATE}")
    for name, columns in TABLES.items():
        con.execute(f"create table if not exists {STATE}.{name} ({columns})")
    con.execute(CURRENT_VIEW)

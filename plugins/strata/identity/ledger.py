"""The ledger of ids: minted once, kept for ever, redirected where people turn out one.

An id belongs to the record that it was minted from, its anchor. Wherever that record
goes, the id goes: this is why ids survive a rebuild of everything else.
"""

import base64
import hashlib

import duckdb
import pyarrow as pa

from strata.identity.tables import BUILD
from strata.run import Run

WORKING_TABLES = ("ledger_before", "located", "ids", "minted", "anchors", "redirects")

# The ids whose anchors are in scope.
_BEFORE = f"""
    create or replace temp table identity_ledger_before as
    select ledger.*
    from {BUILD}.id_ledger as ledger
    semi join identity_scope as scope
        on
            ledger.anchor_system = scope.system
            and ledger.anchor_entity = scope.entity
            and ledger.anchor_record_key = scope.record_key
"""

_LOCATED = """
    create or replace temp table identity_located as
    select
        ledger.unified_user_id,
        people.component,
        people.is_user,
        {
            'minted_on': ledger.minted_on,
            'first_seen_at': ledger.anchor_first_seen_at,
            'has_lost': coalesce(ledger.redirected_on < $ds, false),
            'priority': coalesce(rules.priority, 0),
            'system': ledger.anchor_system,
            'entity': ledger.anchor_entity,
            'record_key': ledger.anchor_record_key
        } as seniority,
    from identity_ledger_before as ledger
    inner join identity_people as people
        on
            ledger.anchor_system = people.system
            and ledger.anchor_entity = people.entity
            and ledger.anchor_record_key = people.record_key
    left join identity_rules as rules on ledger.anchor_type = rules.identifier_type
"""

_ELDEST = """
    create or replace temp table identity_ids as
    select
        component,
        arg_min(unified_user_id, seniority) as unified_user_id,
    from identity_located
    where is_user
    group by component
"""

# The oldest record that holds an anchoring identifier of a user without an id.
_ANCHORS = """
    with

    unlinked as (
        select links.use_no
        from identity_links as links
        inner join identity_rejected using (link_no)
        where links.rule = 'same_record'
    ),

    anchors as (
        select
            placed.component,
            arg_min(
                uses.use_no,
                (
                    uses.first_seen_at, uses.priority, uses.system, uses.entity,
                    uses.record_key, uses.value_hash
                )
            ) as use_no,
        from identity_uses as uses
        inner join identity_placed as placed using (node_no)
        anti join unlinked on uses.use_no = unlinked.use_no
        anti join identity_ids as ids on placed.component = ids.component
        where placed.carries_user
        group by placed.component
    )

    select anchors.component, uses.use_no, uses.system, uses.entity, uses.record_key
    from anchors
    inner join identity_uses as uses using (use_no)
"""

# Where each id is anchored, whether it is old or minted today.
_ALL_ANCHORS = """
    create or replace temp table identity_anchors as
    select
        unified_user_id,
        anchor_system as system,
        anchor_entity as entity,
        anchor_record_key as record_key,
    from identity_ledger_before
    union all by name
    select minted.unified_user_id, uses.system, uses.entity, uses.record_key,
    from identity_minted as minted
    inner join identity_uses as uses using (use_no)
"""

_REDIRECTS = f"""
    create or replace temp table identity_redirects as
    with

    -- The day on which the anchor's own record went over to another id.
    left_own as (
        select anchors.unified_user_id, max(id_map.effective_to) as left_on,
        from {BUILD}.id_map as id_map
        inner join identity_anchors as anchors
            using (unified_user_id, system, entity, record_key)
        where id_map.recorded_to is null and id_map.effective_to is not null
        group by anchors.unified_user_id
    ),

    targets as (
        select
            ledger.unified_user_id,
            ledger.redirects_to as target_before,
            ledger.redirected_on as since_before,
            case
                when located.component is not null
                    then nullif(ids.unified_user_id, ledger.unified_user_id)
                when ledger.redirected_on < $ds then ledger.redirects_to
            end as target,
            coalesce(left_own.left_on, ledger.redirected_on, $ds) as since,
        from identity_ledger_before as ledger
        left join identity_located as located using (unified_user_id)
        left join identity_ids as ids on located.component = ids.component
        left join left_own on ledger.unified_user_id = left_own.unified_user_id
    )

    select
        unified_user_id,
        target as redirects_to,
        if(target is null, null, since) as redirected_on,
        target is distinct from target_before as is_elsewhere,
    from targets
    where
        target is distinct from target_before
        or if(target is null, null, since) is distinct from since_before
"""

_REDIRECT = f"""
    update {BUILD}.id_ledger as ledger
    set
        status = if(redirects.redirects_to is null, 'active', 'redirected'),
        redirects_to = redirects.redirects_to,
        redirected_on = redirects.redirected_on,
        _run_id = if(redirects.is_elsewhere, $run_id, ledger._run_id)
    from identity_redirects as redirects
    where ledger.unified_user_id = redirects.unified_user_id
"""

_MINT = f"""
    insert into {BUILD}.id_ledger by name
    select
        minted.unified_user_id,
        uses.system as anchor_system,
        uses.entity as anchor_entity,
        uses.record_key as anchor_record_key,
        uses.identifier_type as anchor_type,
        uses.value_hash as anchor_hash,
        uses.first_seen_at as anchor_first_seen_at,
        $ds as minted_on,
        'active' as status,
        cast(null as varchar) as redirects_to,
        cast(null as date) as redirected_on,
        $run_id as _run_id,
    from identity_minted as minted
    inner join identity_uses as uses using (use_no)
"""


def user_id(namespace: str, system: str, entity: str, record_key: str) -> str:
    """The id that a record gives to a user: ``u_`` and 24 base32 characters.

    It depends on the tenant and on the record alone, never on a hash of an identifier,
    so that the next key leaves every id as it is.
    """
    name = "\x1f".join((namespace, system, entity, record_key))
    digest = hashlib.sha256(name.encode()).digest()
    return "u_" + base64.b32encode(digest)[:24].decode().lower()


def take_back(con: duckdb.DuckDBPyConnection, run: Run) -> None:
    """Forget the ids that an earlier attempt at this very day minted."""
    con.execute(f"delete from {BUILD}.id_ledger where minted_on >= ?", [run.ds])


def assign(con: duckdb.DuckDBPyConnection, run: Run) -> None:
    """Give every user in scope its id: ``identity_ids``, grain component.

    It is the eldest of the ids whose anchors the component holds: minted first, then
    with the older anchor. Among equals an id that once won stays; else the anchor
    decides as it does for a new id. Where the component holds none, an id is minted
    from its oldest anchoring record, by priority among records as old.
    """
    con.execute(_BEFORE)
    con.execute(_LOCATED, {"ds": run.ds})
    con.execute(_ELDEST)
    anchors = con.execute(_ANCHORS).fetchall()
    minted = pa.table(
        {
            "component": pa.array([row[0] for row in anchors], pa.int64()),
            "use_no": pa.array([row[1] for row in anchors], pa.int64()),
            "unified_user_id": pa.array(
                [user_id(run.world, *row[2:]) for row in anchors], pa.string()
            ),
        }
    )
    con.register("identity_new_ids", minted)
    con.execute(
        "create or replace temp table identity_minted as select * from identity_new_ids"
    )
    con.execute(
        "insert into identity_ids by name select * exclude (use_no) from identity_minted"
    )
    con.unregister("identity_new_ids")
    con.execute(_ALL_ANCHORS)


def enter(con: duckdb.DuckDBPyConnection, run: Run) -> None:
    """Lead ``build_identity.id_ledger`` on once the history of the day is built.

    An id whose anchor is elsewhere redirects there, and is in force again as soon as
    its anchor stands apart. An id whose anchor is gone stays as it was.
    """
    con.execute(_REDIRECTS, {"ds": run.ds})
    con.execute(_REDIRECT, {"run_id": run.run_id})
    con.execute(_MINT, {"ds": run.ds, "run_id": run.run_id})

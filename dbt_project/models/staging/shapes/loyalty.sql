-- Grain: one row an entry of the loyalty programme: points, coupons, invitations; of
-- all systems.
{{ config(meta={"publish": "replace"}) }}

with

loyalty as (

    {{ union_shapes("loyalty", [
        "entry_id",
        "touchpoint",
        "person_entity",
        "person_key",
        "kind",
        "points",
        "reason",
        "amount",
        "currency",
        "campaign",
        "order_id",
        "counterpart_entity",
        "counterpart_key",
        "booked_at",
        "known_at",
    ]) }}

),

final as (

    select
        entry_id,
        system,
        touchpoint,
        person_entity,
        person_key,
        kind,
        points,
        reason,
        amount,
        currency,
        campaign,
        order_id,
        counterpart_entity,
        counterpart_key,
        booked_at,
        known_at,
        {{ run_id() }} as _run_id
    from loyalty

)

select * from final

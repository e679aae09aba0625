-- Grain: one row a document (order, receipt, invoice, refund), of all systems.
-- A system gives the head of a document; its amounts are the sums of its lines, so that
-- orders and lines cannot disagree.
{{ config(meta={"publish": "replace"}) }}

with

heads as (

    {{ union_shapes("orders", [
        "order_id",
        "original_order_id",
        "touchpoint",
        "person_entity",
        "person_key",
        "ordered_at",
        "known_at",
        "status",
        "cancelled_at",
        "cancelled_known_at",
        "currency",
        "campaign",
    ]) }}

),

totals as (

    select * from {{ ref("int_order_lines_summed") }}

),

final as (

    select
        heads.order_id,
        heads.system,
        heads.touchpoint,
        heads.person_entity,
        heads.person_key,
        heads.ordered_at,
        greatest(heads.known_at, coalesce(totals.known_at, heads.known_at)) as known_at,
        heads.status,
        coalesce(totals.is_return, false) as is_return,
        heads.currency,
        {{ to_decimal("coalesce(totals.gross_amount, 0)") }} as gross_amount,
        {{ to_decimal("coalesce(totals.discount_amount, 0)") }} as discount_amount,
        {{ to_decimal("coalesce(totals.refund_amount, 0)") }} as refund_amount,
        {{ to_decimal("coalesce(totals.net_amount, 0)") }} as net_amount,
        {{ to_decimal("totals.margin_amount") }} as margin_amount,
        cast(coalesce(totals.units, 0) as bigint) as units,
        coalesce(totals.line_count, 0) as line_count,
        heads.campaign,
        heads.original_order_id,
        heads.cancelled_at,
        heads.cancelled_known_at,
        heads.known_at as head_known_at,
        {{ run_id() }} as _run_id
    from heads
    left join totals on heads.order_id = totals.order_id

)

select * from final

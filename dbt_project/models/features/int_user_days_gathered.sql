-- Grain: what one fact or count of facts adds to the day of a user; a row holds on each
-- ds from first_ds to last_ds.
-- Counts of events and touches by their record, and orders, with the user whose they
-- were. What a side does not count is 0 there.
{{ config(materialized="view") }}
with

run_dates as (

    select
        ds,
        known_until
    from {{ source("ops", "run_dates") }}

),

owners as (

    select
        system,
        entity,
        record_key,
        unified_user_id,
        min(ds) as first_ds,
        max(ds) as last_ds
    from {{ ref("int_records_resolved") }}
    where unified_user_id is not null
    group by
        system,
        entity,
        record_key,
        unified_user_id,
        effective_from,
        recorded_from

),

orders as (

    select
        ds,
        unified_user_id,
        ordered_on,
        channel_group,
        is_night,
        is_counted,
        currency,
        gross_amount,
        discount_amount,
        refund_amount,
        net_amount,
        margin_amount,
        units
    from {{ ref("int_orders_resolved") }}

),

loads as (

    {{ moments_of_knowing() }}

),

-- The first ds that knew what came at a time: later ones know no less.
arrivals as (

    select
        loads.known_at,
        min(run_dates.ds) as first_ds
    from loads
    inner join run_dates on {{ is_known("loads", "run_dates") }}
    group by loads.known_at

),

gathered as (

    {{ parts_of_user_days() }}
    union all
    select
        unified_user_id,
        ds as first_ds,
        ds as last_ds,
        ordered_on as activity_on,
        channel_group,
        currency,
        {{ columns_of_a_part({
            "activity_count": "case when is_counted then 1 else 0 end",
            "night_activity_count":
                "case when is_counted and is_night then 1 else 0 end",
            "order_count": "case when is_counted then 1 else 0 end",
            "units": "units",
            "gross_amount": "gross_amount",
            "discount_amount": "discount_amount",
            "refund_amount": "refund_amount",
            "sold_amount": "gross_amount - discount_amount",
            "net_amount": "net_amount",
            "costed_net_amount":
                "case when margin_amount is not null then net_amount else 0 end",
            "margin_amount": "coalesce(margin_amount, 0)",
        }) }}
    from orders

),

final as (

    select *
    from gathered
    where first_ds <= last_ds

)

select * from final

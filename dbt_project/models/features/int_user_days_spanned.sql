-- Grain: first_ds, unified_user_id, activity_on, channel_group; a row holds on every ds
-- from first_ds to last_ds.
-- Everything that adds up, by day. Of the days that are built together most know the
-- same of a day in the past: it is summed for all of them at once, and for each ds
-- apart only where a fact came meanwhile or a record was another user's.
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

-- What each side adds to a day; what a side does not count is null there.
parts as (

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
                "case when margin_amount is not null then net_amount end",
            "margin_amount": "margin_amount",
        }) }}
    from orders

),

bounds as (

    select
        min(ds) as first_ds,
        max(ds) as last_ds
    from run_dates

),

-- Days of which not every ds knows the same.
apart as (

    select distinct
        parts.unified_user_id,
        parts.activity_on,
        parts.channel_group
    from parts
    inner join bounds
        on
            parts.first_ds > bounds.first_ds
            or parts.last_ds < bounds.last_ds
    where parts.first_ds <= parts.last_ds

),

compared as (

    select
        parts.*,
        apart.unified_user_id is not null as is_apart
    from parts
    left join apart
        on
            parts.unified_user_id = apart.unified_user_id
            and parts.activity_on = apart.activity_on
            and parts.channel_group = apart.channel_group
    where parts.first_ds <= parts.last_ds

),

placed as (

    select
        compared.*,
        run_dates.ds
    from compared
    left join run_dates
        on
            compared.is_apart
            and compared.first_ds <= run_dates.ds
            and compared.last_ds >= run_dates.ds

),

summed as (

    select
        placed.ds,
        placed.unified_user_id,
        placed.activity_on,
        placed.channel_group,
        max(placed.currency) as currency,
        {{ summed_daily_columns("placed") }}
    from placed
    group by
        placed.ds,
        placed.unified_user_id,
        placed.activity_on,
        placed.channel_group

),

final as (

    select
        coalesce(summed.ds, bounds.first_ds) as first_ds,
        coalesce(summed.ds, bounds.last_ds) as last_ds,
        summed.unified_user_id,
        summed.activity_on,
        summed.channel_group,
        summed.currency,
        {{ typed_daily_columns() }}
    from summed
    cross join bounds

)

select * from final

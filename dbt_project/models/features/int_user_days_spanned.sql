-- Grain: first_ds, unified_user_id, activity_on, channel_group; a row holds on every ds
-- from first_ds to last_ds.
-- What is asked of a day itself, and not of a window: whether something was done on it.
-- Of the days that are built together most know the same of a day in the past: it is
-- summed for all of them at once, and for each ds apart only where a fact came
-- meanwhile or a record was another user's.
with

run_dates as (

    select ds
    from {{ source("ops", "run_dates") }}

),

parts as (

    select
        first_ds,
        last_ds,
        unified_user_id,
        activity_on,
        channel_group,
        currency,
        {{ day_columns() | join(",\n        ") }}
    from {{ ref("int_user_days_gathered") }}

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
        {{ summed_typed_columns(day_columns(), "placed") }}
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
        summed.{{ day_columns() | join(",\n        summed.") }}
    from summed
    cross join bounds

)

select * from final

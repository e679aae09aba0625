-- Grain: ds, unified_user_id.
-- How the company served the user, and what the user says of it: requests, surveys,
-- reviews, events attended.
{{ config(materialized="ephemeral") }}
{%- set columns = {
    "ticket_count": "bigint",
    "complaint_count": "bigint",
    "hotline_count": "bigint",
    "reopened_ticket_count": "bigint",
    "resolved_ticket_count": "bigint",
    "ticket_category": dbt.type_string(),
    "first_response_hours": "decimal(18,6)",
    "resolution_hours": "decimal(18,6)",
    "ticket_satisfaction": "integer",
    "nps_answer_count": "bigint",
    "nps": "integer",
    "review_count": "bigint",
    "review_rating": "integer",
    "event_attended_count": "bigint",
} %}
{%- set complaints = feature_settings().complaint_categories | join("', '") %}
{%- set said = ["ticket_category", "ticket_satisfaction", "nps", "review_rating"] %}
with

users as (

    select
        ds,
        unified_user_id
    from {{ ref("int_users_enumerated") }}

),

tickets as (

    select
        system,
        person_entity,
        person_key,
        touchpoint,
        category,
        opened_at,
        known_at,
        first_response_at,
        first_response_known_at,
        resolved_at,
        resolved_known_at,
        reopened_at,
        reopened_known_at,
        satisfaction,
        satisfaction_at,
        satisfaction_known_at
    from {{ source("staging", "tickets") }}

),

feedback as (

    select
        system,
        person_entity,
        person_key,
        kind,
        rating,
        nps,
        answered_at,
        known_at
    from {{ source("staging", "feedback") }}

),

entries as (

    {{ entries_of("tickets", "opened_at", "known_at", {
        "ticket_count": "1",
        "ticket_category": "category",
        "complaint_count": "case when category in ('" ~ complaints ~ "') then 1 end",
        "hotline_count": "case when touchpoint = 'hotline' then 1 end",
    }, columns) }}
    union all
    {{ entries_of("tickets", "first_response_at", "first_response_known_at", {
        "first_response_hours":
            seconds_between("opened_at", "first_response_at") ~ " / 3600",
    }, columns) }}
    union all
    {{ entries_of("tickets", "resolved_at", "resolved_known_at", {
        "resolved_ticket_count": "1",
        "resolution_hours": seconds_between("opened_at", "resolved_at") ~ " / 3600",
    }, columns) }}
    union all
    {{ entries_of("tickets", "reopened_at", "reopened_known_at", {
        "reopened_ticket_count": "1",
    }, columns) }}
    union all
    {{ entries_of("tickets", "satisfaction_at", "satisfaction_known_at", {
        "ticket_satisfaction": "satisfaction",
    }, columns) }}
    union all
    {{ entries_of("feedback", "answered_at", "known_at", {
        "nps_answer_count": "case when nps is not null then 1 end",
        "nps": "nps",
        "review_count": "case when kind = 'review' then 1 end",
        "review_rating": "case when kind = 'review' then rating end",
        "event_attended_count": "case when kind = 'attendance' then 1 end",
    }, columns) }}

),

{{ placed_entries("entries", columns) }},

ranked as (

    select
        *,
        {{ moments_last_said(said) }}
    from days

),

windowed as (

    select
        ds,
        unified_user_id,
        {{ windowed_measures("service") }},
        {{ values_last_said(said) }},
        min(case when ticket_count > 0 then days_ago end) as days_since_ticket,
        min(case when nps_answer_count > 0 then days_ago end) as days_since_nps,
        min(case when review_count > 0 then days_ago end) as days_since_review,
        sum(case when days_ago < 365 then hotline_count end) as hotline_count_365d
    from ranked
    group by ds, unified_user_id

),

-- A request is open on ds where it came and nobody knew yet that it was resolved.
open_tickets as (

    select
        records.ds,
        records.unified_user_id,
        count(*) as open_ticket_count,
        {{ count_where(
            "tickets.first_response_at is null"
            ~ " or tickets.first_response_at >= records.ends_at"
            ~ " or tickets.first_response_known_at > records.known_until"
        ) }} as unanswered_ticket_count,
        min(tickets.opened_at) as oldest_opened_at,
        max(tenant.timezone) as timezone
    from records
    inner join tickets
        on
            records.system = tickets.system
            and records.entity = tickets.person_entity
            and records.record_key = tickets.person_key
            and records.ends_at > tickets.opened_at
            and {{ is_known("tickets", "records") }}
    cross join tenant
    where
        tickets.resolved_at is null
        or tickets.resolved_at >= records.ends_at
        or tickets.resolved_known_at > records.known_until
    group by records.ds, records.unified_user_id

),

final as (

    select
        users.ds,
        users.unified_user_id,
        coalesce(open_tickets.open_ticket_count, 0) as open_ticket_count,
        coalesce(open_tickets.unanswered_ticket_count, 0) as unanswered_ticket_count,
        {{ date_diff_days(
            local_date("open_tickets.oldest_opened_at", "open_tickets.timezone"),
            "users.ds",
        ) }} as oldest_open_ticket_days,
        windowed.days_since_ticket,
        windowed.last_ticket_category,
        {{ share_of(
            "coalesce(windowed.complaint_count_365d, 0)", "windowed.ticket_count_365d"
        ) }} as complaint_share_365d,
        {{ share_of(
            "coalesce(windowed.reopened_ticket_count_365d, 0)",
            "windowed.resolved_ticket_count_365d",
        ) }} as reopened_share_365d,
        {{ share_of(
            "coalesce(windowed.hotline_count_365d, 0)", "windowed.ticket_count_365d"
        ) }} as hotline_share_365d,
        windowed.last_ticket_satisfaction as ticket_satisfaction_last,
        windowed.last_nps as nps_last,
        case
            when windowed.last_nps >= 9 then 'promoter'
            when windowed.last_nps >= 7 then 'passive'
            when windowed.last_nps >= 0 then 'detractor'
        end as nps_group,
        windowed.days_since_nps,
        windowed.last_review_rating as review_rating_last,
        windowed.days_since_review,
        {{ measured_features("service", "windowed") }}
    from users
    left join windowed
        on
            users.ds = windowed.ds
            and users.unified_user_id = windowed.unified_user_id
    left join open_tickets
        on
            users.ds = open_tickets.ds
            and users.unified_user_id = open_tickets.unified_user_id

)

select * from final

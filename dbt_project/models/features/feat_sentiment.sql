-- Grain: ds, unified_user_id.
-- How the user feels about the company and what about, by what they write in reviews
-- and to customer service. Scores are those of the model in force on ds (strata.text).
{{ config(materialized="ephemeral") }}
{%- set columns = {
    "model_version": dbt.type_string(),
    "label": dbt.type_string(),
    "text_count": "bigint",
    "scored_text_count": "bigint",
    "sentiment_score": "decimal(9,6)",
    "negative_text_count": "bigint",
    "positive_text_count": "bigint",
    "review_sentiment": "decimal(9,6)",
    "ticket_sentiment": "decimal(9,6)",
} %}
{%- set adds = {
    "model_version": "model_version",
    "label": "label",
    "text_count": "1",
    "scored_text_count": "case when score is not null then 1 end",
    "sentiment_score": "score",
    "negative_text_count": "case when label = 'negative' then 1 end",
    "positive_text_count": "case when label = 'positive' then 1 end",
    "review_sentiment": "case when source = 'review' then score end",
    "ticket_sentiment": "case when source = 'ticket' then score end",
} %}
{%- do columns.update(topic_types()) %}
{%- do adds.update(topic_counts()) %}
with

users as (

    select
        ds,
        unified_user_id
    from {{ ref("int_users_enumerated") }}

),

in_force as (

    select
        ds,
        version
    from {{ source("learned", "models_in_force") }}
    where model = 'sentiment'

),

texts as (

    select
        system,
        person_entity,
        person_key,
        source,
        written_at,
        known_at,
        score,
        label,
        topics,
        model_version
    from {{ source("learned", "scored_texts") }}

),

entries as (

    {{ entries_of("texts", "written_at", "known_at", adds, columns) }}

),

{{ placed_entries("entries", columns) }},

ranked as (

    select
        days.*,
        max(case when days.sentiment_score is not null then days.happened_at end) over (
            partition by days.ds, days.unified_user_id
        ) as last_scored_at
    from days
    inner join in_force
        on
            days.ds = in_force.ds
            and days.model_version = in_force.version

),

windowed as (

    select
        ds,
        unified_user_id,
        {{ windowed_measures("sentiment") }},
        min(case when happened_at = last_scored_at then sentiment_score end)
            as sentiment_last,
        min(
            case
                when happened_at = last_scored_at and label = 'negative' then 1
                when happened_at = last_scored_at and label = 'neutral' then 2
                when happened_at = last_scored_at and label = 'positive' then 3
            end
        ) as worst_of_the_last,
        min(case when days_ago < 365 then sentiment_score end) as sentiment_worst_365d,
        cast(
            sum(case when days_ago between 90 and 364 then sentiment_score end)
            as double
        )
        / nullif(
            count(case when days_ago between 90 and 364 then sentiment_score end), 0
        ) as sentiment_prior_275d,
        min(days_ago) as days_since_text,
        min(case when negative_text_count > 0 then days_ago end)
            as days_since_negative_text,
        count(case when days_ago < 90 then scored_text_count end) as scored_90d,
        count(case when days_ago < 365 then scored_text_count end) as scored_365d,
        count(case when days_ago < 365 then review_sentiment end)
            as scored_reviews_365d,
        count(case when days_ago < 365 then ticket_sentiment end)
            as scored_tickets_365d,
        {{ count_where(
            "days_ago < 365 and label = 'negative' and review_sentiment is not null"
        ) }} as negative_reviews_365d,
        {{ count_where(
            "days_ago < 365 and label = 'negative' and ticket_sentiment is not null"
        ) }} as negative_tickets_365d
    from ranked
    group by ds, unified_user_id

),

final as (

    select
        users.ds,
        users.unified_user_id,
        {{ share_of(
            "coalesce(windowed.negative_text_count_90d, 0)", "windowed.scored_90d"
        ) }} as negative_text_share_90d,
        {{ share_of(
            "coalesce(windowed.negative_text_count_365d, 0)", "windowed.scored_365d"
        ) }} as negative_text_share_365d,
        {{ share_of(
            "coalesce(windowed.positive_text_count_365d, 0)", "windowed.scored_365d"
        ) }} as positive_text_share_365d,
        {{ share_of("windowed.negative_reviews_365d", "windowed.scored_reviews_365d") }}
            as review_negative_share_365d,
        {{ share_of("windowed.negative_tickets_365d", "windowed.scored_tickets_365d") }}
            as ticket_negative_share_365d,
        windowed.sentiment_last,
        case windowed.worst_of_the_last
            when 1 then 'negative'
            when 2 then 'neutral'
            when 3 then 'positive'
        end as sentiment_last_label,
        windowed.sentiment_worst_365d,
        windowed.sentiment_prior_275d,
        windowed.sentiment_score_90d - windowed.sentiment_prior_275d
            as sentiment_trend_90d,
        windowed.days_since_text,
        windowed.days_since_negative_text,
        {{ highest_of(topic_sums("windowed")) }} as main_topic_365d,
        in_force.version as sentiment_version,
        {{ measured_features("sentiment", "windowed") }}
    from users
    left join in_force on users.ds = in_force.ds
    left join windowed
        on
            users.ds = windowed.ds
            and users.unified_user_id = windowed.unified_user_id

)

select * from final

-- Grain: ds, unified_user_id.
-- What the user is interested in: categories looked at and bought, faded by age, and
-- the category that comes next by what others bought (EASE, strata.interest).
{{ config(materialized="ephemeral") }}
with

users as (

    select
        ds,
        unified_user_id
    from {{ ref("int_users_enumerated") }}

),

categories as (

    select
        ds,
        unified_user_id,
        category,
        affinity,
        line_count,
        line_count_90d,
        line_count_prior_90d,
        event_count,
        event_count_90d,
        event_count_30d + {{ feature_settings().interest.purchase_weight }}
        * line_count_30d as weight_30d
    from {{ ref("int_user_categories_summed") }}

),

catalogues as (

    select
        ds,
        count(distinct category) as category_count
    from categories
    where line_count > 0
    group by ds

),

ranked as (

    select
        *,
        row_number() over (
            partition by ds, unified_user_id
            order by affinity desc, category asc
        ) as place,
        row_number() over (
            partition by ds, unified_user_id
            order by weight_30d desc, category asc
        ) as place_30d,
        row_number() over (
            partition by ds, unified_user_id
            order by
                case when line_count > 0 then 1 else 0 end asc,
                affinity desc,
                category asc
        ) as place_unbought,
        cast(
            nullif(sum(affinity) over (partition by ds, unified_user_id), 0) as double
        ) as all_affinity
    from categories

),

summed as (

    select
        ds,
        unified_user_id,
        max(case when place = 1 then category end) as top_category_1,
        max(case when place = 2 then category end) as top_category_2,
        max(case when place = 3 then category end) as top_category_3,
        max(case when place = 1 then cast(affinity as double) / all_affinity end)
            as top_category_share,
        abs(round(
            sum(
                -(cast(affinity as double) / all_affinity)
                * ln(cast(nullif(affinity, 0) as double) / all_affinity)
                / ln(2)
            ),
            9
        )) as interest_entropy,
        cast(sum(affinity) as double) as interest_strength,
        {{ count_where("weight_30d > 0") }} as interest_category_count_30d,
        {{ count_where("line_count_90d + event_count_90d > 0") }}
            as interest_category_count_90d,
        count(*) as interest_category_count_365d,
        {{ count_where("line_count > 0") }} as bought_category_count_365d,
        {{ count_where("line_count_90d > 0") }} as bought_category_count_90d,
        {{ count_where("line_count_prior_90d > 0") }}
            as bought_category_count_prior_90d,
        {{ count_where("line_count_90d > 0 and line_count = line_count_90d") }}
            as new_category_count_90d,
        max(case when place_unbought = 1 and line_count = 0 then category end)
            as unbought_category_1,
        cast(sum(case when line_count = 0 then affinity else 0 end) as double)
        / max(all_affinity) as unbought_interest_share,
        max(case when place_30d = 1 and weight_30d > 0 then category end)
            as top_category_30d
    from ranked
    group by ds, unified_user_id

),

in_force as (

    select
        ds,
        version
    from {{ source("learned", "models_in_force") }}
    where model = 'next_category'

),

weights as (

    select
        model_version,
        category,
        next_category,
        weight
    from {{ source("learned", "category_weights") }}

),

candidates as (

    select
        categories.ds,
        categories.unified_user_id,
        weights.next_category,
        -- decimals add up to the same in any order, doubles do not
        sum({{ decimal_of_double("weights.weight", scale=9) }}) as score
    from categories
    inner join in_force on categories.ds = in_force.ds
    inner join weights
        on
            in_force.version = weights.model_version
            and categories.category = weights.category
    where categories.line_count > 0
    group by categories.ds, categories.unified_user_id, weights.next_category

),

unbought as (

    select
        candidates.ds,
        candidates.unified_user_id,
        candidates.next_category,
        candidates.score,
        row_number() over (
            partition by candidates.ds, candidates.unified_user_id
            order by candidates.score desc, candidates.next_category asc
        ) as place
    from candidates
    left join categories
        on
            candidates.ds = categories.ds
            and candidates.unified_user_id = categories.unified_user_id
            and candidates.next_category = categories.category
            and categories.line_count > 0
    where categories.category is null

),

nexts as (

    select
        ds,
        unified_user_id,
        next_category,
        score
    from unbought
    where place = 1

),

final as (

    select
        users.ds,
        users.unified_user_id,
        summed.top_category_1,
        summed.top_category_2,
        summed.top_category_3,
        summed.top_category_share,
        summed.interest_entropy,
        coalesce(summed.interest_strength, 0) as interest_strength,
        coalesce(summed.interest_category_count_30d, 0) as interest_category_count_30d,
        coalesce(summed.interest_category_count_90d, 0) as interest_category_count_90d,
        coalesce(summed.interest_category_count_365d, 0)
            as interest_category_count_365d,
        coalesce(summed.bought_category_count_90d, 0) as bought_category_count_90d,
        coalesce(summed.bought_category_count_prior_90d, 0)
            as bought_category_count_prior_90d,
        coalesce(
            summed.bought_category_count_90d - summed.bought_category_count_prior_90d, 0
        ) as category_breadth_growth_90d,
        {{ share_of(
            "coalesce(summed.bought_category_count_365d, 0)",
            "catalogues.category_count",
        ) }} as category_penetration_365d,
        coalesce(summed.new_category_count_90d, 0) as new_category_count_90d,
        summed.unbought_category_1,
        summed.unbought_interest_share,
        summed.top_category_30d,
        summed.top_category_30d <> summed.top_category_1 as is_interest_shifting,
        nexts.next_category,
        cast(nexts.score as double) as next_category_score,
        in_force.version as next_category_version
    from users
    left join catalogues on users.ds = catalogues.ds
    left join in_force on users.ds = in_force.ds
    left join summed
        on
            users.ds = summed.ds
            and users.unified_user_id = summed.unified_user_id
    left join nexts
        on
            users.ds = nexts.ds
            and users.unified_user_id = nexts.unified_user_id

)

select * from final

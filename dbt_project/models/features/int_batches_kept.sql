-- Grain: relation_name, known_at.
-- The batches that are what they were when an earlier run counted them. Where rules or
-- code have changed since, the run begins with nothing standing, and none is kept.
{{ config(tags=["any_day"]) }}
with

batches as (

    select
        relation_name,
        known_at,
        row_count,
        _content
    from {{ ref("int_batches_counted") }}

),

standing as (

    select
        relation_name,
        known_at,
        row_count,
        _content
    from {{ source("standing", "batches") }}

),

final as (

    select
        batches.relation_name,
        batches.known_at
    from batches
    inner join standing
        on
            batches.relation_name = standing.relation_name
            and batches.known_at = standing.known_at
            and batches.row_count = standing.row_count
            and batches._content = standing._content

)

select * from final

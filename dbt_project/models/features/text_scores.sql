-- Grain: source, text_key.
-- The mood and the topics of every text by the model in force on the newest ds, without
-- the text. A run that has the same version takes over what stands here.
with

in_force as (

    select version
    from {{ source("learned", "models_in_force") }}
    where model = 'sentiment' and ds = {{ newest_day() }}

),

texts as (

    select
        source,
        text_key,
        system,
        written_at,
        known_at,
        score,
        label,
        topics,
        model_version,
        _text_check
    from {{ source("learned", "scored_texts") }}

),

newest as (

    select
        ends_at,
        known_until
    from {{ source("ops", "run_dates") }}
    where ds = {{ newest_day() }}

),

final as (

    select
        texts.source,
        texts.text_key,
        texts.system,
        texts.written_at,
        texts.known_at,
        texts.score,
        texts.label,
        texts.topics,
        texts.model_version,
        texts._text_check,
        {{ run_id() }} as _run_id
    from texts
    inner join in_force on texts.model_version = in_force.version
    inner join newest
        on
            texts.written_at < newest.ends_at
            and {{ is_known("texts", "newest") }}

)

select * from final

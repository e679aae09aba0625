-- Grain: name, a feature of feat_users.
-- What each feature means, for those who read the warehouse and not this project.
with

defined as (

    {{ catalogue_rows([
        "name",
        "family",
        "description",
        "data_type",
        "unit",
        "window_days",
        "owner",
        "source_models",
        "pii_class",
        "null_meaning",
    ]) }}

),

final as (

    select
        cast(name as {{ dbt.type_string() }}) as name,  -- noqa: RF04
        cast(family as {{ dbt.type_string() }}) as family,  -- noqa: RF04
        cast(description as {{ dbt.type_string() }}) as description,
        cast(data_type as {{ dbt.type_string() }}) as data_type,
        cast(unit as {{ dbt.type_string() }}) as unit,
        cast(window_days as integer) as window_days,
        cast(owner as {{ dbt.type_string() }}) as owner,
        cast(source_models as {{ dbt.type_string() }}) as source_models,
        cast(pii_class as {{ dbt.type_string() }}) as pii_class,
        cast(null_meaning as {{ dbt.type_string() }}) as null_meaning,
        {{ run_id() }} as _run_id
    from defined

)

select * from final

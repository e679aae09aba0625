-- Grain: ds, unified_user_id.
-- The snapshot of a user that scores, tiers and analysts read: every family of
-- config/features.yml side by side, from the model feat_<family>, each feature in the
-- type that is promised there.
with

users as (

    select
        ds,
        unified_user_id
    from {{ ref("int_users_enumerated") }}

),

{{ family_ctes() }},

final as (

    select
        users.unified_user_id,
        users.ds,
        {{ all_feature_columns() }},
        {{ run_id() }} as _run_id
    from users
    {{ joined_families("users") }}

)

select * from final

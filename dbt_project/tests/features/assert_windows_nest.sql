-- Invariant: a longer window holds what a shorter one does. Amounts are left out, for a
-- refund takes away.
with

final as (

    select
        ds,
        unified_user_id
    from {{ ref("feat_users") }}
    where {{ windows_that_do_not_nest() }}

)

select * from final

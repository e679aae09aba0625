-- Invariant: the orders of a user have one currency. Amounts are added up without
-- changing money, so a second currency would make the sums mean nothing.
with

final as (

    select
        unified_user_id,
        count(distinct currency) as currency_count
    from {{ ref("fct_orders") }}
    where unified_user_id is not null
    group by unified_user_id
    having count(distinct currency) > 1

)

select * from final

-- Grain: one row a member who was written to: the newest addresses.
{{ config(materialized="ephemeral") }}

with

messages as (

    select * from {{ ref("stg_loyalty__messages") }}

),

placed as (

    select
        member_no,
        phone,
        email,
        sent_at,
        _first_known_at,
        row_number() over (
            partition by member_no, phone is null
            order by sent_at desc nulls last, message_id desc
        ) as phone_place,
        row_number() over (
            partition by member_no, email is null
            order by sent_at desc nulls last, message_id desc
        ) as email_place
    from messages
    where member_no is not null

),

final as (

    select
        'members' as entity,
        member_no as record_key,
        cast(null as {{ dbt.type_string() }}) as full_name,
        cast(null as date) as birth_on,
        cast(null as {{ dbt.type_string() }}) as gender,
        cast(null as {{ dbt.type_string() }}) as city,
        cast(null as {{ dbt.type_string() }}) as region,
        max(case when phone_place = 1 then phone end) as phone,
        max(case when email_place = 1 then email end) as email,
        min(sent_at) as registered_at,
        min(_first_known_at) as known_at
    from placed
    group by member_no

)

select * from final

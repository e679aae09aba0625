-- Grain: one row a ticket that says something, in the customer's words.
{{ config(materialized="ephemeral") }}

with

tickets as (

    select * from {{ ref("stg_support__tickets") }}

),

final as (

    select
        'support:' || ticket_id as ticket_id,
        subject_text as text
    from tickets
    where subject_text is not null

)

select * from final

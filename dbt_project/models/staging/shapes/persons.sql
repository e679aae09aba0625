-- Grain: system, entity, record key. What the sources know of a person in plain text:
-- the PII zone, read by matching, write-back and privacy requests only.
{{ config(schema="pii", meta={"publish": "replace"}) }}

with

persons as (

    {{ union_shapes("persons", [
        "entity",
        "record_key",
        "full_name",
        "birth_on",
        "gender",
        "city",
        "region",
        "phone",
        "email",
        "registered_at",
        "known_at",
    ]) }}

),

distinct_phones as (

    select distinct phone
    from persons
    where phone is not null

),

phones as (

    select
        phone,
        {{ normalised("phone", "phone") }} as phone_e164
    from distinct_phones

),

distinct_emails as (

    select distinct email
    from persons
    where email is not null

),

emails as (

    select
        email,
        {{ normalised("email", "email") }} as email_normalised
    from distinct_emails

),

final as (

    select
        persons.system,
        persons.entity,
        persons.record_key,
        persons.full_name,
        persons.birth_on,
        persons.gender,
        persons.city,
        persons.region,
        phones.phone_e164,
        emails.email_normalised,
        persons.registered_at,
        persons.known_at,
        {{ run_id() }} as _run_id
    from persons
    left join phones on persons.phone = phones.phone
    left join emails on persons.email = emails.email
    where persons.record_key is not null

)

select * from final

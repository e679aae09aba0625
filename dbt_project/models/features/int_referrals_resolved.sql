-- Grain: ds, invitee_user_id: who brought the invitee in, among the users of ds.
-- An invitation that was followed counts once for an invitee, for the first who sent
-- one. Nobody invites themselves, nor somebody through whom they came: an invitation
-- back up the chain, as far as the levels of config/features.yml go, is left out.
-- Moments give invitations an order, and a chain goes back in it, so it ends.
with

records as (

    select
        ds,
        known_until,
        system,
        entity,
        record_key,
        unified_user_id
    from {{ ref("int_records_resolved") }}
    where unified_user_id is not null

),

tenant as (

    select max(timezone) as timezone
    from {{ source("ops", "run_dates") }}

),

joined as (

    select
        loyalty.entry_id,
        loyalty.system,
        loyalty.person_entity,
        loyalty.person_key,
        loyalty.counterpart_entity,
        loyalty.counterpart_key,
        loyalty.booked_at,
        loyalty.known_at,
        {{ local_date("loyalty.booked_at", "tenant.timezone") }} as joined_on
    from {{ source("staging", "loyalty") }} as loyalty
    cross join tenant
    where loyalty.kind = 'referral_joined' and loyalty.booked_at is not null

),

followed as (

    select
        inviters.ds,
        inviters.unified_user_id as inviter_user_id,
        invitees.unified_user_id as invitee_user_id,
        joined.booked_at,
        joined.joined_on,
        row_number() over (
            partition by inviters.ds, invitees.unified_user_id
            order by joined.booked_at asc, joined.entry_id asc
        ) as place,
        row_number() over (
            partition by inviters.ds
            order by joined.booked_at asc, joined.entry_id asc
        ) as turn
    from joined
    inner join records as inviters
        on
            joined.system = inviters.system
            and joined.person_entity = inviters.entity
            and joined.person_key = inviters.record_key
            and joined.joined_on <= inviters.ds
            and {{ is_known("joined", "inviters") }}
    inner join records as invitees
        on
            joined.system = invitees.system
            and joined.counterpart_entity = invitees.entity
            and joined.counterpart_key = invitees.record_key
            and inviters.ds = invitees.ds
    where inviters.unified_user_id <> invitees.unified_user_id

),

first_followed as (

    select
        ds,
        inviter_user_id,
        invitee_user_id,
        joined_on,
        turn
    from followed
    where place = 1

),

climbed as (

    select
        first_followed.ds,
        first_followed.inviter_user_id,
        first_followed.invitee_user_id,
        first_followed.joined_on,
        {{ ancestor_columns("first_followed") }}
    from first_followed
    {{ joined_ancestors("first_followed") }}

),

final as (

    select
        ds,
        inviter_user_id,
        invitee_user_id,
        joined_on,
        {{ ancestor_columns() }}
    from climbed
    where
        {{ is_no_ancestor("invitee_user_id") }}

)

select * from final

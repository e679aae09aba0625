"""What the sample world is made of: `config/sample.yml`."""

from datetime import date, timedelta
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Rate = Annotated[float, Field(ge=0)]
System = Literal[
    "crm", "store", "pos", "app", "miniprogram", "web", "wecom", "social", "ads",
    "support", "feedback", "loyalty",
]  # fmt: skip


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SystemShares(_Section):
    """The share of persons that have dealings with each system.

    Whoever buys or is a member meets the other four: ads, support, feedback, loyalty.
    """

    crm: Share = 0.70
    store: Share = 0.60
    pos: Share = 0.50
    app: Share = 0.50
    miniprogram: Share = 0.40
    web: Share = 0.45
    wecom: Share = 0.30
    social: Share = 0.35


class Behaviour(_Section):
    """Means of the latent traits; rates are a year of one living person."""

    orders_a_year: Positive = 18.0
    order_rate_shape: Positive = 0.6
    mean_basket: Positive = 220.0
    basket_shape: Annotated[float, Field(gt=1)] = 2.5
    sessions_a_year: Positive = 40.0
    dropout_after_order: Share = 0.02
    dropouts_a_year: Positive = 0.15
    pausing: Share = 0.08
    growing: Share = 0.05
    declining: Share = 0.06
    phone_changes_a_year: Positive = 0.08
    moves_a_year: Positive = 0.10
    cancelled_orders: Share = 0.05
    refunded_orders: Share = 0.06
    returned_receipts: Share = 0.04


class Contacts(_Section):
    """Rates a year of a living person who is in the system, and shares of purchases."""

    chats_a_year: Rate = 36.0
    reads_a_year: Rate = 22.0
    social_acts_a_year: Rate = 22.0
    ad_clicks_a_year: Rate = 6.0
    invitations_a_year: Rate = 0.4
    invited: Share = 0.12
    reviewed_orders: Share = 0.18
    surveyed_purchases: Share = 0.05
    purchases_with_ticket: Share = 0.05
    enquiries_a_year: Rate = 0.3
    newsletter: Share = 0.15
    coupons: Share = 0.12
    duplicate_customers: Share = 0.025


class Uplift(_Section):
    """What a campaign's message does to the order rate of each kind of person.

    0.9: 90 % more orders on the seven days from the sending; a festival's campaign
    has all of it, the others the share of ``small``. ``treated``: the share of those
    who can be reached that are written to; the rest are the hold-out.
    """

    persuadable: float = 0.90
    loyal: float = 0.15
    indifferent: float = 0.0
    contrary: float = -0.35
    small: Share = 0.5
    treated: Share = 0.5


class Channels(_Section):
    """Orders that one click brings about, within three days, by kind of advertisement.

    ``coupon``: orders that a coupon brings about on the day its holder thinks of it.
    """

    search_ad: Rate = 0.10
    feed_ad: Rate = 0.05
    display_ad: Rate = 0.01
    kol: Rate = 0.12
    coupon: Rate = 0.50


class ConsentShares(_Section):
    """What CRM customers agree to when they join, and how often they take it back."""

    profiling: Share = 0.88
    marketing: Share = 0.78
    never_asked: Share = 0.03
    withdrawals_a_year: Positive = 0.04
    granted_again: Share = 0.20


class Dirt(_Section):
    """How often a row or a record is spoilt, as shares of rows or of records."""

    duplicate_rows: Share = 0.003
    late_rows: Share = 0.01
    very_late_rows: Share = 0.0005
    broken_rows: Share = 0.0002
    odd_phones: Share = 0.15
    masked_phones: Share = 0.03
    denylisted_phones: Share = 0.004
    shared_phones: Share = 0.03
    shop_phones: Share = 0.008
    recycled_phones: Share = 0.01
    recycled_after_days: Annotated[int, Field(ge=1)] = 190
    shared_devices: Share = 0.04
    untidy_emails: Share = 0.08
    missing_values: Share = 0.05
    anonymous_sessions: Share = 0.06
    anonymous_receipts: Share = 0.08


class Incidents(_Section):
    """What went wrong once, by the number of the day (0 is the first); null: never.

    ``outage_system`` delivers nothing on its day, and two days' rows on the next.
    From ``new_column_day`` on events of the app have a column more, from
    ``retyped_day`` on the mini programs write numbers as texts. The shop's orders of
    ``resent_day`` come again whole a day later, corrected, under the same keys.
    """

    outage_system: System = "pos"
    outage_day: int | None = 150
    resent_day: int | None = 180
    new_column_day: int | None = 210
    retyped_day: int | None = 240


class SampleConfig(_Section):
    """The sample world: its size, its first day and how dirty it is.

    ``users`` persons have signed up by the end of ``days``; ``first_users`` of them
    (a share) were there before ``first_day``. Days after the last one go on with new
    sign-ups at the same pace. ``delivers`` are the systems that hand something over:
    the others live on, unseen, and what is seen is the same.
    """

    seed: Annotated[int, Field(ge=0)] = 7
    users: Annotated[int, Field(ge=1, le=5_000_000)] = 5000
    first_users: Share = 0.40
    first_day: date = date(2025, 9, 27)
    days: Annotated[int, Field(ge=2)] = 400
    delivers: tuple[System, ...] = get_args(System)
    systems: SystemShares = SystemShares()
    behaviour: Behaviour = Behaviour()
    contacts: Contacts = Contacts()
    uplift: Uplift = Uplift()
    channels: Channels = Channels()
    consent: ConsentShares = ConsentShares()
    dirt: Dirt = Dirt()
    incidents: Incidents = Incidents()

    def day(self, number: int) -> date:
        """The local date of a day's number; the first day is number 0."""
        return self.first_day + timedelta(days=number)

    def number(self, day: date) -> int:
        """The number of a local date; negative before the first day."""
        return (day - self.first_day).days

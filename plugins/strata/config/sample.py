"""What the sample world is made of: `config/sample.yml`."""

from datetime import date, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SystemShares(_Section):
    """The share of persons that have dealings with each system."""

    crm: Share = 0.70
    store: Share = 0.60
    pos: Share = 0.50
    app: Share = 0.50
    miniprogram: Share = 0.40


class Behaviour(_Section):
    """Means of the latent traits; rates are a year of one living person."""

    orders_a_year: Positive = 18.0
    order_rate_shape: Positive = 0.7
    mean_basket: Positive = 220.0
    sessions_a_year: Positive = 60.0
    dropouts_a_year: Positive = 0.50
    pausing: Share = 0.08
    phone_changes_a_year: Positive = 0.08
    moves_a_year: Positive = 0.10
    cancelled_orders: Share = 0.05
    refunded_orders: Share = 0.06
    returned_receipts: Share = 0.04


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
    shared_devices: Share = 0.04
    untidy_emails: Share = 0.08
    missing_values: Share = 0.05
    anonymous_sessions: Share = 0.06
    anonymous_receipts: Share = 0.08


class SampleConfig(_Section):
    """The sample world: its size, its first day and how dirty it is.

    ``users`` persons have signed up by the end of ``days``; ``first_users`` of them
    (a share) were there before ``first_day``. Days after the last one go on with new
    sign-ups at the same pace.
    """

    seed: Annotated[int, Field(ge=0)] = 7
    users: Annotated[int, Field(ge=1, le=5_000_000)] = 5000
    first_users: Share = 0.40
    first_day: date = date(2025, 9, 27)
    days: Annotated[int, Field(ge=2)] = 400
    systems: SystemShares = SystemShares()
    behaviour: Behaviour = Behaviour()
    consent: ConsentShares = ConsentShares()
    dirt: Dirt = Dirt()

    def day(self, number: int) -> date:
        """The local date of a day's number; the first day is number 0."""
        return self.first_day + timedelta(days=number)

    def number(self, day: date) -> int:
        """The number of a local date; negative before the first day."""
        return (day - self.first_day).days

"""What a scoring run looks at: the users of a day, and what was said of them before."""

from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np
import pandas as pd

from strata.config.tiers import TiersConfig
from strata.scoring.clv import HORIZONS_DAYS, FittedClv, lifetime_values
from strata.scoring.optimum import Floats
from strata.scoring.ranks import Flags
from strata.scoring.rfm import Rfm, rfm
from strata.scoring.value import Value, value


@dataclass(frozen=True)
class Snapshot:
    """The users of ``ds`` who let themselves be profiled, sorted by id.

    ``users`` is the frame of ``published.read_users``.
    """

    ds: date
    users: pd.DataFrame
    rules: TiersConfig
    clv: FittedClv

    def column(self, name: str) -> Floats:
        """A feature as doubles, null as NaN."""
        return self.users[name].to_numpy(dtype=float)

    @cached_property
    def everyone(self) -> Flags:
        """All users, as a mask."""
        return np.ones(len(self.users), dtype=bool)

    @cached_property
    def rfm(self) -> Rfm:
        """Standings, quintiles and segments of the users."""
        return rfm(self.users, self.rules.rfm)

    @cached_property
    def value(self) -> Value:
        """Value rank of the users, with what each part adds to it."""
        return value(self.users, self.rfm, self.rules)

    @cached_property
    def growth(self) -> Floats:
        """Growth of active days over 90 days against the 90 before, smoothed."""
        now = np.nan_to_num(self.column("active_days_90d"))
        before = np.nan_to_num(self.column("active_days_prior_90d"))
        return (now - before) / (before + self.rules.activity.growth_smoothing_days)

    @cached_property
    def silent_days(self) -> Floats:
        """Days without activity or order; since the user is known where never any."""
        silent = np.fmin(self.column("days_since_active"), self.column("recency_days"))
        return np.where(np.isnan(silent), self.column("tenure_days"), silent)

    @cached_property
    def lifetime_values(self) -> Floats:
        """CLV of each user, a column a horizon; NaN without a model or a history."""
        if self.clv.model is None:
            return np.full((len(self.users), len(HORIZONS_DAYS)), np.nan)
        return lifetime_values(
            self.clv.model,
            self.users,
            HORIZONS_DAYS,
            self.rules.clv.annual_discount_rate,
        )

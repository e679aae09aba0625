"""Customer lifetime value: expected margin of the purchases to come, discounted.

CLV = margin rate × expected spend a purchase (Gamma-Gamma) × Σ expected purchases
(MBG/NBD or BG/NBD) of each step of time × discount to the middle of that step.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from strata.config.tiers import ClvRules
from strata.registry import CONVERGED, StoredModel, version_of
from strata.scoring.optimum import Floats
from strata.scoring.purchases import (
    PurchaseFit,
    PurchaseModel,
    collapse,
    expected_purchases,
    fit_purchases,
)
from strata.scoring.ranks import Flags
from strata.scoring.spend import SpendFit, SpendModel, expected_spend, fit_gamma_gamma

FEATURES = ("clv_x", "clv_t_x", "clv_T", "clv_mean_spend", "margin_rate_365d")
HORIZONS_DAYS = (90, 365)
NOT_CONVERGED = "not_converged"
TOO_FEW = "too_few_customers"

# Within a step of a quarter, discounting to its middle is right to about 0.1 %.
_STEP_DAYS = 92.0
_DAYS_A_WEEK = 7.0
_DAYS_A_YEAR = 365.0


@dataclass(frozen=True)
class ClvModel:
    """Everything that turns a history into a value.

    ``margin_rate`` is that of the whole tenant, for users whose own is not known.
    """

    purchases: PurchaseModel
    spend: SpendModel
    margin_rate: float

    def to_artefact(self) -> dict[str, Any]:
        """The parameters as JSON can hold them."""
        return asdict(self)

    @classmethod
    def from_artefact(cls, artefact: Mapping[str, Any]) -> "ClvModel":
        """The model that ``to_artefact`` was taken from, to the last bit."""
        return cls(
            PurchaseModel(**artefact["purchases"]),
            SpendModel(**artefact["spend"]),
            float(artefact["margin_rate"]),
        )


@dataclass(frozen=True)
class FittedClv:
    """The model that a run uses; ``model`` is None where fitting did not succeed.

    ``status`` is ``converged``, ``not_converged`` or ``too_few_customers``.
    """

    model: ClvModel | None
    version: str
    status: str


def model_name(rules: ClvRules) -> str:
    """The name under which the model is registered: a kind each."""
    return f"clv_{rules.purchase_model}"


def use(stored: StoredModel) -> FittedClv:
    """A registered model, ready to score."""
    usable = stored.status == CONVERGED
    model = ClvModel.from_artefact(stored.artefact) if usable else None
    return FittedClv(model, stored.version, stored.status)


def fit_clv(users: pd.DataFrame, rules: ClvRules, ds: date) -> StoredModel:
    """Fit to the users' histories up to ``ds``, and describe the fit in a card.

    ``users`` has the columns of ``FEATURES`` and net_amount_365d. What cannot be
    fitted is recorded too, with its reason, and without an artefact.
    """
    usable = has_history(users)
    buyers = users[usable]
    repeat = buyers[(buyers["clv_x"] > 0) & (buyers["clv_mean_spend"] > 0)]
    fits: tuple[PurchaseFit, SpendFit] | None = None
    status, reason = CONVERGED, ""
    if len(repeat) < rules.min_repeat_customers:
        status = TOO_FEW
        reason = f"{len(repeat)} repeat customers, {rules.min_repeat_customers} needed"
    else:
        fits = _fit(buyers, repeat, rules)
        reason = "; ".join(fit.reason for fit in fits if fit.reason)
        status = NOT_CONVERGED if reason else CONVERGED
    artefact: dict[str, Any] = {}
    if fits and status == CONVERGED:
        margin = margin_of_all(users, rules.margin_rate_when_unknown)
        artefact = ClvModel(fits[0].model, fits[1].model, margin).to_artefact()
    fingerprint = _fingerprint(buyers)
    version = version_of(model_name(rules), ds, artefact, fingerprint)
    card = {
        "model": model_name(rules),
        "version": version,
        "status": status,
        "reason": reason,
        "formulas": "purchases and spend: strata.scoring.purchases, strata.scoring.spend",
        "parameters": artefact,
        "training": {
            "from": _first_day(buyers, ds),
            "through": ds.isoformat(),
            "customers": len(buyers),
            "repeat_customers": len(repeat),
            "left_out": int(users["clv_x"].notna().sum()) - len(buyers),
        },
        "data_fingerprint": fingerprint,
        "metrics": _metrics(fits, repeat),
        "features": list(FEATURES),
    }
    return StoredModel(model_name(rules), version, ds, status, card, artefact)


def has_history(users: pd.DataFrame) -> Flags:
    """Who has a history of purchases that can be: others have no lifetime value."""
    x, t_x, T = (users[c].to_numpy(dtype=float) for c in ("clv_x", "clv_t_x", "clv_T"))
    return np.asarray((x >= 0) & (t_x >= 0) & (t_x <= T) & ((x > 0) == (t_x > 0)))


def margin_of_all(users: pd.DataFrame, when_unknown: float) -> float:
    """Margin of the last 365 days as a share of spend, where it is known."""
    spend = users["net_amount_365d"].to_numpy(dtype=float)
    rate = users["margin_rate_365d"].to_numpy(dtype=float)
    known = (spend > 0) & ~np.isnan(rate)
    if not known.any():
        return when_unknown
    return _bounded(math.fsum(spend[known] * rate[known]) / math.fsum(spend[known]))


def lifetime_values(
    model: ClvModel,
    users: pd.DataFrame,
    horizons_days: Sequence[float],
    annual_discount_rate: float,
) -> Floats:
    """Expected margin within each horizon, in the tenant's currency.

    One row a user and one column a horizon; NaN for users without a history. A margin
    rate counts within -1 and 1: a few odd lines must not outweigh everything else.
    """
    usable = has_history(users)
    x, t_x, T, mean, margin = (users[c].to_numpy(float)[usable] for c in FEATURES)
    bounds = _bounds(horizons_days)
    purchases = expected_purchases(model.purchases, x, t_x, T, bounds / _DAYS_A_WEEK)
    in_step = np.diff(purchases, axis=1, prepend=0.0)
    middles = bounds - np.diff(bounds, prepend=0.0) / 2
    discount = (1 + annual_discount_rate) ** (-middles / _DAYS_A_YEAR)
    present = np.cumsum(in_step * discount, axis=1)
    rate = np.where(np.isnan(margin), model.margin_rate, np.clip(margin, -1.0, 1.0))
    worth = rate * expected_spend(model.spend, x, mean)
    values = np.full((len(users), len(horizons_days)), np.nan)
    columns = [int(np.searchsorted(bounds, horizon)) for horizon in horizons_days]
    values[usable] = present[:, columns] * worth[:, None]
    return values


def _bounds(horizons_days: Sequence[float]) -> Floats:
    """Ends of the steps of time: every horizon is one, and no step is too long."""
    ends: list[float] = []
    last = 0.0
    for horizon in sorted(set(horizons_days)):
        steps = math.ceil((horizon - last) / _STEP_DAYS)
        ends += [last + (horizon - last) * k / steps for k in range(1, steps)]
        ends.append(float(horizon))
        last = horizon
    return np.array(ends)


def _fit(
    buyers: pd.DataFrame, repeat: pd.DataFrame, rules: ClvRules
) -> tuple[PurchaseFit, SpendFit]:
    histories = collapse(buyers["clv_x"], buyers["clv_t_x"], buyers["clv_T"])
    return (
        fit_purchases(rules.purchase_model, histories, rules.max_iterations),
        fit_gamma_gamma(
            repeat["clv_x"], repeat["clv_mean_spend"], None, rules.max_iterations
        ),
    )


def _metrics(
    fits: tuple[PurchaseFit, SpendFit] | None, repeat: pd.DataFrame
) -> dict[str, Any]:
    """What the card says of each fit; numbers that are not finite become null."""
    if fits is None:
        return {}
    metrics: dict[str, Any] = {}
    described = {"purchases": asdict(fits[0]), "spend": asdict(fits[1])}
    for name, content in described.items():
        del content["model"]
        metrics[name] = {key: _finite(item) for key, item in content.items()}
    # Gamma-Gamma takes the two to be independent: far from 0 it should not be used.
    correlation = repeat["clv_x"].corr(repeat["clv_mean_spend"])
    metrics["correlation_of_frequency_and_spend"] = _finite(float(correlation))
    return metrics


def _finite(item: Any) -> Any:
    return None if isinstance(item, float) and not math.isfinite(item) else item


def _first_day(buyers: pd.DataFrame, ds: date) -> str | None:
    if buyers.empty:
        return None
    days = round(float(buyers["clv_T"].max()) * _DAYS_A_WEEK)
    return (ds - timedelta(days=days)).isoformat()


def _fingerprint(buyers: pd.DataFrame) -> str:
    """Hash of the training data, whose rows are sorted by user."""
    digest = hashlib.sha256()
    for name in (*FEATURES, "net_amount_365d"):
        digest.update(name.encode())
        digest.update(buyers[name].to_numpy(dtype="<f8", na_value=np.nan).tobytes())
    return digest.hexdigest()


def _bounded(rate: float) -> float:
    return min(max(rate, -1.0), 1.0)

"""What a customer spends on a purchase: Gamma-Gamma.

A purchase is worth z ~ gamma(p, ν) with ν ~ gamma(q, γ) from customer to customer
(Fader & Hardie 2013, "The Gamma-Gamma Model of Monetary Value"). With x purchases of
mean z̄ the log-likelihood is

    lnΓ(px+q) - lnΓ(px) - lnΓ(q) + q ln γ + (px-1) ln z̄ + px ln x - (px+q) ln(γ+xz̄)

It takes spend to be independent of how often a customer buys.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from strata.scoring.optimum import Codes, Floats, dot, maximise, sum_by


@dataclass(frozen=True)
class SpendModel:
    """Parameters of Gamma-Gamma; ``gamma`` is in the unit of money of the data."""

    p: float
    q: float
    gamma: float


@dataclass(frozen=True)
class SpendFit:
    """A fitted model, or the best that was found where ``converged`` is false."""

    model: SpendModel
    log_likelihood: float
    customers: float
    iterations: int
    gradient: float
    at_border: int
    converged: bool
    reason: str


@dataclass(frozen=True)
class Spending:
    """Repeat purchases and their mean value, sorted by both, with a weight each.

    ``x`` holds the distinct numbers of purchases, ``x_code`` which one each has.
    """

    x: Floats
    x_code: Codes
    mean: Floats
    weight: Floats


def spending(
    x: ArrayLike, mean: ArrayLike, weights: ArrayLike | None = None
) -> Spending:
    """The spending of customers, sorted; the order of rows is forgotten.

    Raises ``ValueError`` where x or the mean is not finite and above zero.
    """
    counts, means = np.asarray(x, dtype=float), np.asarray(mean, dtype=float)
    weight = np.ones(counts.size) if weights is None else np.asarray(weights, float)
    if not np.all(np.isfinite(counts) & (counts > 0)):
        raise ValueError("x must be finite and above zero")
    if not np.all(np.isfinite(means) & (means > 0)):
        raise ValueError("mean spend must be finite and above zero")
    order = np.lexsort((weight, means, counts))
    distinct, code = np.unique(counts[order], return_inverse=True)
    return Spending(distinct, code, means[order], weight[order])


def fit_gamma_gamma(
    x: ArrayLike,
    mean: ArrayLike,
    weights: ArrayLike | None = None,
    max_iterations: int = 500,
) -> SpendFit:
    """Fit Gamma-Gamma to customers with repeat purchases, by maximum likelihood.

    It also counts as not converged where q <= 1: then the mean over all customers
    does not exist, and one-time buyers would have no value.
    """
    data = spending(x, mean, weights)
    count = float(data.weight.sum())
    if np.unique(data.mean).size < 2:
        nothing = float("nan")
        empty = SpendModel(nothing, nothing, nothing)
        return SpendFit(
            empty, nothing, count, 0, nothing, 0, False, "no two spends differ"
        )
    # Money in units of the mean spend, so that bounds and start fit any currency.
    scale = dot(data.weight, data.mean) / count
    scaled = replace(data, mean=data.mean / scale)
    best = maximise(
        lambda parameters: mean_log_likelihood(parameters, scaled),
        np.array([2.0, 3.0, 1.0]),
        max_iterations,
    )
    p, q, gamma = (float(value) for value in best.parameters)
    reason = "" if best.converged else "the spend model did not converge"
    if best.converged and q <= 1:
        reason = "the spend model has no mean (q <= 1)"
    return SpendFit(
        model=SpendModel(p, q, gamma * scale),
        log_likelihood=best.mean_log_likelihood * count - count * math.log(scale),
        customers=count,
        iterations=best.iterations,
        gradient=best.gradient,
        at_border=best.at_border,
        converged=not reason,
        reason=reason,
    )


def mean_log_likelihood(parameters: Floats, data: Spending) -> tuple[float, Floats]:
    """Mean log-likelihood a customer, and its gradient in p, q, γ."""
    from scipy.special import gammaln, psi

    p, q, gamma = parameters
    x, code = data.x, data.x_code
    customers = sum_by(code, data.weight, x.size)
    log_means = sum_by(code, data.weight * np.log(data.mean), x.size)
    until = gamma + x[code] * data.mean
    log_until = sum_by(code, data.weight * np.log(until), x.size)
    by_until = sum_by(code, data.weight / until, x.size)
    n, count = p * x, float(data.weight.sum())
    constant = gammaln(n + q) - gammaln(n) - gammaln(q) + q * np.log(gamma)
    value = dot(customers, constant + n * np.log(x))
    value += dot(n - 1, log_means) - dot(n + q, log_until)
    slope_p = dot(customers, x * (psi(n + q) - psi(n) + np.log(x)))
    slope_p += dot(x, log_means - log_until)
    slope_q = dot(customers, psi(n + q) - psi(q) + np.log(gamma))
    slope_q -= float(log_until.sum())
    slope_gamma = count * q / gamma - dot(n + q, by_until)
    return value / count, np.array([slope_p, slope_q, slope_gamma]) / count


def expected_spend(model: SpendModel, x: ArrayLike, mean: ArrayLike) -> Floats:
    """Mean value of a customer's future purchases.

    It lies between the customer's own mean and that of all; a customer without a
    repeat purchase (x = 0, or a mean that is null or not positive) gets that of all.
    """
    counts, means = np.asarray(x, dtype=float), np.asarray(mean, dtype=float)
    known = (counts > 0) & (means > 0)
    counts = np.where(known, counts, 0.0)
    means = np.where(known, means, 0.0)
    n = model.p * counts
    return np.asarray(model.p * (model.gamma + counts * means) / (n + model.q - 1))

"""When a customer buys again: BG/NBD and MBG/NBD.

While alive a customer buys as a Poisson process of rate λ ~ gamma(r, α), and after a
purchase is lost for good with probability p ~ beta(a, b). In BG/NBD (Fader, Hardie &
Lee 2005, "Counting Your Customers the Easy Way") that can happen after each repeat
purchase, in MBG/NBD (Batislam, Denizel & Filiztekin 2007) after the first one too.
With s the number of chances to be lost that a customer survived (x, or x + 1), both
have one likelihood:

    Γ(r+x) α^r / Γ(r) · B(a, b+s) / B(a, b)
      · { (α+T)^-(r+x) + [s > 0] · a / (b+s-1) · (α+t_x)^-(r+x) }

``x`` is the number of repeat purchases, ``t_x`` the time from first to last purchase,
``T`` the time from the first purchase to today; any one unit of time will do.
"""

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from strata.scoring.optimum import Codes, Floats, dot, maximise, sum_by

Kind = Literal["bgnbd", "mbgnbd"]

# Customers at a time in a forecast: small enough that the work stays in cache.
_BLOCK = 1 << 15
_NODES = 32


@dataclass(frozen=True)
class PurchaseModel:
    """Parameters of a purchase model; ``alpha`` is in the unit of time of the data."""

    kind: Kind
    r: float
    alpha: float
    a: float
    b: float


@dataclass(frozen=True)
class PurchaseFit:
    """A fitted model, or the best that was found where ``converged`` is false.

    ``reason`` is empty when converged. ``histories`` is the number of distinct
    (x, t_x, T) among ``customers``.
    """

    model: PurchaseModel
    log_likelihood: float
    customers: float
    histories: int
    iterations: int
    gradient: float
    at_border: int
    converged: bool
    reason: str


@dataclass(frozen=True)
class Histories:
    """Distinct (x, t_x, T) with the number of customers that share each.

    Each column is kept as sorted distinct values and a code a history, so that what
    depends on x or on a time alone is computed once a value.
    """

    x: Floats
    t_x: Floats
    T: Floats
    x_code: Codes
    t_x_code: Codes
    T_code: Codes
    weight: Floats
    customer: Codes
    """Which history each customer has."""


def collapse(
    x: ArrayLike, t_x: ArrayLike, T: ArrayLike, weights: ArrayLike | None = None
) -> Histories:
    """The distinct histories of customers, sorted; the order of rows is forgotten.

    Raises ``ValueError`` where a history cannot be: a negative or non-finite value,
    ``t_x > T``, or repeat purchases that take no time at all.
    """
    columns = [np.asarray(column, dtype=float) for column in (x, t_x, T)]
    if not all(np.all(np.isfinite(column) & (column >= 0)) for column in columns):
        raise ValueError("x, t_x and T must be finite and not negative")
    if np.any(columns[1] > columns[2]):
        raise ValueError("a last purchase lies after the end: t_x > T")
    if np.any((columns[0] > 0) != (columns[1] > 0)):
        raise ValueError("t_x must be above zero exactly where x is")
    (ux, cx), (ut, ct), (uT, cT) = (np.unique(c, return_inverse=True) for c in columns)
    packed = (cx * ut.size + ct) * uT.size + cT
    keys, customer = np.unique(packed, return_inverse=True)
    counted = None if weights is None else np.asarray(weights, dtype=float)
    rest, T_code = np.divmod(keys, uT.size)
    x_code, t_x_code = np.divmod(rest, ut.size)
    weight = sum_by(customer, counted, keys.size)
    return Histories(ux, ut, uT, x_code, t_x_code, T_code, weight, customer)


def fit_bgnbd(
    x: ArrayLike,
    t_x: ArrayLike,
    T: ArrayLike,
    weights: ArrayLike | None = None,
    max_iterations: int = 500,
) -> PurchaseFit:
    """Fit BG/NBD by maximum likelihood; see ``fit_purchases``."""
    return fit_purchases("bgnbd", collapse(x, t_x, T, weights), max_iterations)


def fit_mbgnbd(
    x: ArrayLike,
    t_x: ArrayLike,
    T: ArrayLike,
    weights: ArrayLike | None = None,
    max_iterations: int = 500,
) -> PurchaseFit:
    """Fit MBG/NBD by maximum likelihood; see ``fit_purchases``."""
    return fit_purchases("mbgnbd", collapse(x, t_x, T, weights), max_iterations)


def fit_purchases(
    kind: Kind, histories: Histories, max_iterations: int = 500
) -> PurchaseFit:
    """Fit a purchase model; it converges or says in ``reason`` that it did not.

    Without any repeat purchase there is nothing to fit: the likelihood grows as r
    goes to zero, and a and b are anybody's guess.
    """
    count = float(histories.weight.sum())
    bought = dot(histories.weight, histories.x[histories.x_code])
    if bought <= 0:
        return _unfitted(kind, histories, "no repeat purchase")
    # Time in units of the mean T, so that bounds and start fit days and weeks alike.
    scale = dot(histories.weight, histories.T[histories.T_code]) / count
    scaled = _in_units_of(histories, scale)
    start = np.array([bought / count, 1.0, 1.0, 2.0])
    best = maximise(
        lambda parameters: mean_log_likelihood(parameters, scaled, kind),
        start,
        max_iterations,
    )
    r, alpha, a, b = (float(value) for value in best.parameters)
    return PurchaseFit(
        model=PurchaseModel(kind, r, alpha * scale, a, b),
        log_likelihood=best.mean_log_likelihood * count - bought * math.log(scale),
        customers=count,
        histories=histories.weight.size,
        iterations=best.iterations,
        gradient=best.gradient,
        at_border=best.at_border,
        converged=best.converged,
        reason="" if best.converged else "the purchase model did not converge",
    )


def mean_log_likelihood(
    parameters: Floats, histories: Histories, kind: Kind
) -> tuple[float, Floats]:
    """Mean log-likelihood a customer, and its gradient in r, α, a, b."""
    from scipy.special import gammaln, psi

    r, alpha, a, b = parameters
    h, count = histories, float(histories.weight.sum())
    survived = _chances(h.x, kind)
    per_x = (
        gammaln(r + h.x) - gammaln(r) + r * np.log(alpha)
        + gammaln(b + survived) - gammaln(b) + gammaln(a + b)
        - gammaln(a + b + survived)
    )  # fmt: skip
    log_alive, log_lost, share_lost = _states(parameters, h, survived)
    customers = sum_by(h.x_code, h.weight, h.x.size)
    value = dot(customers, per_x) + dot(h.weight, np.logaddexp(log_alive, log_lost))

    lost = h.weight * share_lost
    alive = h.weight - lost
    n = r + h.x[h.x_code]
    until_T, until_t = alpha + h.T, alpha + h.t_x
    lost_by_x = sum_by(h.x_code, lost, h.x.size)
    slope_r = dot(customers, psi(r + h.x) - psi(r) + np.log(alpha))
    slope_r -= dot(alive, np.log(until_T)[h.T_code])
    slope_r -= dot(lost, np.log(until_t)[h.t_x_code])
    slope_alpha = count * r / alpha
    slope_alpha -= dot(alive * n, (1 / until_T)[h.T_code])
    slope_alpha -= dot(lost * n, (1 / until_t)[h.t_x_code])
    both = dot(customers, psi(a + b) - psi(a + b + survived))
    slope_a = both + lost_by_x.sum() / a
    slope_b = both + dot(customers, psi(b + survived) - psi(b))
    once = survived > 0
    slope_b -= dot(lost_by_x[once], 1 / (b + survived[once] - 1))
    gradient = np.array([slope_r, slope_alpha, slope_a, slope_b])
    return value / count, gradient / count


def probability_alive(
    model: PurchaseModel, x: ArrayLike, t_x: ArrayLike, T: ArrayLike
) -> Floats:
    """Chance that a customer with this history is not lost yet.

    Under BG/NBD it is 1 for every one-time buyer: it is no churn score.
    """
    h = collapse(x, t_x, T)
    parameters = np.array([model.r, model.alpha, model.a, model.b])
    *_, share_lost = _states(parameters, h, _chances(h.x, model.kind))
    return np.asarray((1 - share_lost)[h.customer])


def expected_purchases(
    model: PurchaseModel,
    x: ArrayLike,
    t_x: ArrayLike,
    T: ArrayLike,
    horizons: ArrayLike,
) -> Floats:
    """Purchases to expect within each horizon from now: one row a customer.

    ``horizons`` are times from T in the unit of the data, one column each. The
    expectation over p ~ beta(a, b+s) of (1 - (1 + pt/(α+T))^-(r+x)) / p is taken by
    Gauss quadrature for that beta: every term lies between bounds, where the closed
    form's ₂F₁ overflows for frequent buyers and divides by a - 1.
    """
    h = collapse(x, t_x, T)
    times = np.asarray(horizons, dtype=float)
    survived = _chances(h.x, model.kind)
    nodes, masses = beta_quadrature(model.a, model.b + survived, _NODES)
    parameters = np.array([model.r, model.alpha, model.a, model.b])
    *_, share_lost = _states(parameters, h, survived)
    expected = np.empty((h.weight.size, times.size))
    for first in range(0, h.weight.size, _BLOCK):
        part = slice(first, first + _BLOCK)
        code = h.x_code[part]
        until = (model.alpha + h.T)[h.T_code[part]]
        for column, time in enumerate(times):
            expected[part, column] = _purchases_if_alive(
                model.r + h.x[code], time / until, nodes[code], masses[code]
            )
    expected *= (1 - share_lost)[:, None]
    return np.asarray(expected[h.customer])


def beta_quadrature(a: float, b: Floats, nodes: int) -> tuple[Floats, Floats]:
    """Gauss nodes and masses for beta(a, b), one row for each of ``b``.

    Golub & Welsch 1969 on the Jacobi recurrence, shifted to [0, 1]. Masses come from
    the eigenvectors and sum to one, so no gamma function can overflow.
    """
    rows = [_beta_quadrature(float(a), each, nodes) for each in b.tolist()]
    both = np.array(rows, dtype=float).reshape(b.size, 2, nodes)
    return both[:, 0], both[:, 1]


@lru_cache(maxsize=4096)
def _beta_quadrature(a: float, b: float, nodes: int) -> tuple[Floats, Floats]:
    """For one ``b``; kept, since many days are scored by one model."""
    A, B = b - 1, a - 1
    k = np.arange(nodes)
    total = 2 * k + A + B
    k, total = k[1:], total[1:]
    middle = np.hstack([(B - A) / (A + B + 2), (B**2 - A**2) / (total * (total + 2))])
    beside = 4 * k * (k + A) * (k + B) / (total**2 * (total + 1))
    # The last pair of factors is 0/0 at k = 1 where A + B = -1; there it is one.
    beside[1:] *= (k[1:] + A + B) / (total[1:] - 1)
    matrix = np.diag((1 + middle) / 2) + np.diag(np.sqrt(beside) / 2, -1)
    points, vectors = np.linalg.eigh(matrix, UPLO="L")
    return points, vectors[0] ** 2


def _purchases_if_alive(
    n: Floats, ratio: Floats, nodes: Floats, masses: Floats
) -> Floats:
    total = np.zeros(n.size)
    for k in range(nodes.shape[1]):
        p = nodes[:, k]
        total -= masses[:, k] * np.expm1(-n * np.log1p(p * ratio)) / p
    return total


def _states(
    parameters: Floats, h: Histories, survived: Floats
) -> tuple[Floats, Floats, Floats]:
    """Log weights of being alive and of being lost, and the share of the latter."""
    from scipy.special import expit

    r, alpha, a, b = parameters
    n = r + h.x[h.x_code]
    log_ratio = np.full(h.x.size, -np.inf)
    once = survived > 0
    log_ratio[once] = np.log(a) - np.log(b + survived[once] - 1)
    log_alive = -n * np.log(alpha + h.T)[h.T_code]
    log_lost = log_ratio[h.x_code] - n * np.log(alpha + h.t_x)[h.t_x_code]
    return log_alive, log_lost, expit(log_lost - log_alive)


def _chances(x: Floats, kind: Kind) -> Floats:
    return x + 1 if kind == "mbgnbd" else x


def _in_units_of(h: Histories, scale: float) -> Histories:
    return replace(h, t_x=h.t_x / scale, T=h.T / scale)


def _unfitted(kind: Kind, histories: Histories, reason: str) -> PurchaseFit:
    nothing = float("nan")
    return PurchaseFit(
        model=PurchaseModel(kind, nothing, nothing, nothing, nothing),
        log_likelihood=nothing,
        customers=float(histories.weight.sum()),
        histories=histories.weight.size,
        iterations=0,
        gradient=nothing,
        at_border=0,
        converged=False,
        reason=reason,
    )

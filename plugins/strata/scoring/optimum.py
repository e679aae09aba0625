"""Maximum likelihood over positive parameters, and whether it was reached."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]
Likelihood = Callable[[Floats], tuple[float, Floats]]

# Beyond e^±12 a parameter no longer changes a prediction that anyone could notice.
LOG_BOUND = 12.0
GRADIENT_TOLERANCE = 1e-5
# Where the first start fails: further off, in a direction of its own each time.
_SHIFTS = (0.0, -1.5, 1.5)


@dataclass(frozen=True)
class Optimum:
    """The best point found.

    ``converged`` says that no step within the bounds would better the mean
    log-likelihood: its projected gradient, in the logs of the parameters, is below
    ``GRADIENT_TOLERANCE``. ``at_border`` counts parameters that ran to a bound, as
    where the data shows no dropout at all.
    """

    parameters: Floats
    mean_log_likelihood: float
    gradient: float
    iterations: int
    at_border: int
    converged: bool


def maximise(likelihood: Likelihood, start: Floats, max_iterations: int) -> Optimum:
    """Maximise a mean log-likelihood over positive parameters.

    ``likelihood`` takes parameters and gives the mean log-likelihood with its
    gradient. Further starts are tried only where the first does not converge.
    """
    best: Optimum | None = None
    for shift in _SHIFTS:
        signs = np.where(np.arange(start.size) % 2, -1.0, 1.0)
        found = _climb(likelihood, np.log(start) + shift * signs, max_iterations)
        if best is None or _goodness(found) > _goodness(best):
            best = found
        if best.converged:
            break
    assert best is not None
    return best


def dot(left: Floats, right: Floats) -> float:
    """Sum of products, to the same last bit on every machine.

    BLAS would split it by the number of threads, so that a fit would depend on it,
    and on a busy machine its threads cost thirty times what the sum does.
    """
    return float(np.sum(left * right))


def sum_by(code: Codes, values: Floats | None, size: int) -> Floats:
    """Sums of values by code, or how often each of ``size`` codes occurs."""
    return np.bincount(code, values, size).astype(np.float64)


def _climb(likelihood: Likelihood, start: Floats, max_iterations: int) -> Optimum:
    from scipy.optimize import minimize

    def negative(log_parameters: Floats) -> tuple[float, Floats]:
        parameters = np.exp(log_parameters)
        value, gradient = likelihood(parameters)
        return -value, -gradient * parameters

    result = minimize(
        negative,
        np.clip(start, -LOG_BOUND, LOG_BOUND),
        jac=True,
        method="L-BFGS-B",
        bounds=[(-LOG_BOUND, LOG_BOUND)] * start.size,
        options={
            "maxiter": max_iterations,
            "ftol": 1e-14,
            "gtol": GRADIENT_TOLERANCE / 100,
        },
    )
    value, slope = negative(result.x)
    inner = result.x - np.clip(result.x - slope, -LOG_BOUND, LOG_BOUND)
    steepest = float(np.max(np.abs(inner)))
    finite = bool(np.isfinite(value) and np.all(np.isfinite(slope)))
    return Optimum(
        parameters=np.exp(result.x),
        mean_log_likelihood=-float(value),
        gradient=steepest,
        iterations=int(result.nit),
        at_border=int(np.sum(np.abs(result.x) >= LOG_BOUND)),
        converged=finite and steepest < GRADIENT_TOLERANCE,
    )


def _goodness(optimum: Optimum) -> tuple[bool, float]:
    value = optimum.mean_log_likelihood
    return optimum.converged, value if np.isfinite(value) else -np.inf

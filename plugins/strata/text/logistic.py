"""Logistic regression with an L2 penalty, the same to the last bit on any machine load.

The loss is strictly convex, so there is one optimum and Newton's method finds it. Its
steps are solved by conjugate gradients (truncated Newton, as in Lin, Weng and Keerthi,
"Trust region Newton method for large-scale logistic regression", JMLR 9, 2008, here
with a line search). No BLAS is called: its sums depend on the number of threads.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import expit

Floats = NDArray[np.float64]

_MOST_STEPS = 100
_CONJUGATE_STEPS = 200
_HALVINGS = 30


@dataclass(frozen=True)
class Fit:
    """Weights of the columns, the intercept, and whether the gradient vanished."""

    weights: Floats
    intercept: float
    converged: bool
    steps: int


def fit(rows: sparse.csr_array, is_positive: NDArray[np.bool_], penalty: float) -> Fit:
    """Minimise ``Σ cᵢ log(1 + exp(-yᵢ (xᵢw + b))) + penalty/2 |w|²``.

    Both classes weigh the same in all (``cᵢ = n / 2nₖ``): nearly everybody praises. The
    intercept is not penalised. Converged where the largest gradient is below 1e-6 of
    ``n``. Raises ``ValueError`` where a class is empty.
    """
    size, width = rows.shape
    positives = int(np.sum(is_positive))
    if not 0 < positives < size:
        raise ValueError("a model of two moods needs texts of both")
    sign = np.where(is_positive, 1.0, -1.0)
    cost = np.where(is_positive, size / 2 / positives, size / 2 / (size - positives))
    across = rows.T.tocsr()

    def margins(point: Floats) -> Floats:
        return np.asarray(rows @ point[:width] + point[width])

    def loss(point: Floats) -> float:
        smooth = np.sum(cost * np.logaddexp(0.0, -sign * margins(point)))
        return float(smooth + penalty / 2 * np.sum(point[:width] ** 2))

    def gathered(values: Floats, point: Floats) -> Floats:
        """The transposed product with the penalty's part of ``point``."""
        inner = across @ values + penalty * point[:width]
        return np.append(inner, np.sum(values))

    point = np.zeros(width + 1)
    for step in range(_MOST_STEPS):
        chance = expit(margins(point))
        slope = gathered(cost * (chance - is_positive), point)
        if np.max(np.abs(slope)) <= 1e-6 * size:
            return Fit(point[:width], float(point[width]), True, step)
        bend = cost * chance * (1 - chance)

        def curved(way: Floats, bend: Floats = bend) -> Floats:
            return gathered(bend * margins(way), way)

        point = _descend(loss, point, slope, _conjugate(curved, -slope))
    return Fit(point[:width], float(point[width]), False, _MOST_STEPS)


def _conjugate(curved: Callable[[Floats], Floats], target: Floats) -> Floats:
    """An approximate solution of ``curved(x) = target``, a direction of descent."""
    found, rest = np.zeros_like(target), target.copy()
    way, square = rest.copy(), float(np.sum(rest * rest))
    enough = square * min(0.01, square**0.5)
    for _ in range(_CONJUGATE_STEPS):
        bent = curved(way)
        bend = float(np.sum(way * bent))
        if square <= enough or bend <= 0:
            break
        length = square / bend
        found = found + length * way
        rest = rest - length * bent
        before, square = square, float(np.sum(rest * rest))
        way = rest + square / before * way
    return found if np.any(found) else target


def _descend(
    loss: Callable[[Floats], float], point: Floats, slope: Floats, way: Floats
) -> Floats:
    """A step along ``way`` that lowers the loss enough (Armijo)."""
    here, fall, length = loss(point), float(np.sum(slope * way)), 1.0
    for _ in range(_HALVINGS):
        there = point + length * way
        if loss(there) <= here + 1e-4 * length * fall:
            return there
        length /= 2
    return point

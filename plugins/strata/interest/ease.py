"""EASE: a linear model of what goes with what, in closed form.

Steck, "Embarrassingly shallow autoencoders for sparse data" (WWW 2019): of all B with a
zero diagonal, the one that minimises ``|X - XB|² + λ|B|²`` for a matrix X of users and
items is ``B = -P / diag(P)`` off the diagonal, with ``P = (XᵀX + λI)⁻¹``.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

DECIMALS = 9
"""Of weights: what is stored is what scored, however many threads inverted."""


def weights(bought: Flags, penalty: float) -> Floats:
    """What each item (row) says for each other (column); the diagonal is 0.

    ``bought`` has one row a user and one column an item; only how often two items go
    together is read, so the order of the users does not matter.
    """
    counts = bought.astype(np.int64)
    inverse = np.linalg.inv(counts.T @ counts + penalty * np.eye(bought.shape[1]))
    found = -inverse / np.diag(inverse)
    np.fill_diagonal(found, 0.0)
    return np.round(found, DECIMALS) + 0.0


def hits(
    bought: Flags, came: Flags, scores: Floats, firsts: Sequence[int]
) -> dict[str, float]:
    """How often what came was among the best of what a user had not bought yet.

    ``recall_<n>`` is the mean share over the users who had bought something and to whom
    something new came; ties go to the item that stands first.
    """
    new = came & ~bought
    users = np.flatnonzero(new.any(axis=1) & bought.any(axis=1))
    if not users.size:
        return {}
    open_scores = np.where(bought[users], -np.inf, scores[users])
    order = np.argsort(-open_scores, axis=1, kind="stable")
    ranked = np.take_along_axis(new[users], order, axis=1)
    total = ranked.sum(axis=1)
    return {
        f"recall_{n}": round(float(np.mean(ranked[:, :n].sum(axis=1) / total)), 6)
        for n in firsts
    } | {"users": float(users.size)}

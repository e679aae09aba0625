"""One persistent id a person: resolution, its ledger and history, and the reasons."""

from strata.identity.chains import Step
from strata.identity.counts import IdentityCounts
from strata.identity.decisions import UnknownIdentityError
from strata.identity.explain import (
    Card,
    Membership,
    resolve_id,
    show,
    why,
    why_not,
)
from strata.identity.guards import write_guards
from strata.identity.resolve import resolve, resolve_days

__all__ = [
    "Card",
    "IdentityCounts",
    "Membership",
    "Step",
    "UnknownIdentityError",
    "resolve",
    "resolve_days",
    "resolve_id",
    "show",
    "why",
    "why_not",
    "write_guards",
]

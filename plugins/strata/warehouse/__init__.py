"""The store of a tenant: build schemas, one-transaction publication, state, lease."""

from strata.warehouse.duck import DuckDBWarehouse
from strata.warehouse.fingerprints import (
    fingerprint,
    fingerprints,
    published_content,
)
from strata.warehouse.tables import STAGE_SCHEMAS, STAGES, TableSpec

__all__ = [
    "STAGES",
    "STAGE_SCHEMAS",
    "DuckDBWarehouse",
    "TableSpec",
    "fingerprint",
    "fingerprints",
    "published_content",
]

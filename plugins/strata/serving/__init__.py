"""The published copy: what people and BI tools read, apart from the warehouse."""

from strata.serving.publishing import ServingError, ServingPaths, publish_copy
from strata.serving.tables import PiiError, PublicTable, public_tables

__all__ = [
    "PiiError",
    "PublicTable",
    "ServingError",
    "ServingPaths",
    "public_tables",
    "publish_copy",
]

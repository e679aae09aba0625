"""Small sample worlds on disk, and how tests read what lies there."""

import csv
import gzip
import hashlib
import io
import json
import sqlite3
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from strata.sample import SampleConfig, advance, world

# Long enough for all that follows from an order, up to 26 days later.
SMALL = SampleConfig.model_validate(
    {
        "seed": 11,
        "users": 60,
        "days": 30,
        "first_day": "2025-11-01",
        "behaviour": {"orders_a_year": 90, "refunded_orders": 0.3},
        "incidents": {
            **{"outage_day": 9, "resent_day": 12},
            **{"new_column_day": 15, "retyped_day": 18},
        },
        "dirt": {
            **{"late_rows": 0.1, "very_late_rows": 0.03},
            **{"duplicate_rows": 0.05, "broken_rows": 0.02},
        },
    }
)
# Large and lively enough for every kind of dirt and of change to be seen.
RICH = SampleConfig.model_validate(
    {
        "seed": 5,
        "users": 200,
        "days": 45,
        "first_day": "2025-10-20",
        "behaviour": {
            **{"orders_a_year": 90, "refunded_orders": 0.3, "returned_receipts": 0.2},
            **{"sessions_a_year": 120, "phone_changes_a_year": 1.5},
        },
        "consent": {"withdrawals_a_year": 1.0},
        "contacts": {"duplicate_customers": 0.3},
        "dirt": {
            **{"late_rows": 0.05, "very_late_rows": 0.01, "duplicate_rows": 0.02},
            **{"broken_rows": 0.01, "shared_phones": 0.1, "shared_devices": 0.3},
        },
    }
)
Table = list[dict[str, Any]]


class Place:
    """One world on disk with its CRM."""

    def __init__(self, folder: Path) -> None:
        self.world, self.crm = folder / "world", folder / "crm" / "crm.db"

    def advance(
        self,
        config: SampleConfig,
        until: date,
        progress: Callable[[date], None] | None = None,
    ) -> world.Advance:
        return advance(self.world, self.crm, config, until, progress)

    def content(self) -> dict[str, str]:
        """Every file by its hash, and every table of the CRM by that of its rows."""
        found = {
            str(path.relative_to(self.world)): content_hash(path.read_bytes())
            for path in sorted(self.world.rglob("*"))
            if path.is_file()
        }
        for table in ("customers", "consents", "strata_segments", "_world_days"):
            found[f"crm.{table}"] = content_hash(repr(self.table(table)).encode())
        return found

    def table(self, name: str) -> Table:
        connection = sqlite3.connect(self.crm)
        cursor = connection.execute(f"select * from {name} order by 1")
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor]
        connection.close()
        return rows

    def rows(self, title: str) -> Table:
        """All rows of an entity, with the day of arrival as ``arrived_on``."""
        folder = self.world / ("" if title.startswith("truth") else "landing") / title
        return [
            {**row, "arrived_on": date.fromisoformat(path.name[:10])}
            for path in sorted(folder.iterdir())
            for row in read_file(path)
        ]


def content_hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def read_file(path: Path) -> Table:
    content = path.read_bytes()
    if path.name.endswith(".csv"):
        rows = csv.DictReader(io.StringIO(content.decode(), newline=""))
        return [{key: value or None for key, value in row.items()} for row in rows]
    if path.name.endswith(".parquet"):
        table: Table = pq.read_table(path).to_pylist()
        return table
    if path.name.endswith(".gz"):
        content = gzip.decompress(content)
    return [json.loads(line) for line in content.decode().splitlines()]

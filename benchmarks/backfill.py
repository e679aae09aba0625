"""What a backfill costs: 180 days of snapshots, beside the same days one by one.

    python benchmarks/backfill.py [--quick]

Ours is the command of the README (`strata run --ds … --until …`) in a process of its own
after set-up, over a home that has run the day before the range. The peer runs the first
days of the range one by one, in one process too, over a copy of that home; the ratio is
that of the seconds a day. `--quick` takes a tenth of the users and twelve days.
"""

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
from datetime import date, timedelta
from pathlib import Path

from daily_run import STRATA, last_report, measured, project

LAST = date(2026, 10, 31)
ONE_BY_ONE = (
    "import sys; from datetime import date, timedelta; from strata import orchestration;"
    "from strata.tenant import Tenant;"
    "first = date.fromisoformat(sys.argv[1]);"
    "orchestration.days_together = lambda tenant: 1;"
    "days = [first + timedelta(n) for n in range(int(sys.argv[2]))];"
    "orchestration.run_days(Tenant('sample'), days, lambda *_: None)"
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth, some minutes")
    quick = parser.parse_args().quick
    days, alone, users = (12, 2, 500) if quick else (180, 4, 5_000)
    first = LAST - timedelta(days=days - 1)
    run = (str(STRATA), "run", "--world", "sample")
    with tempfile.TemporaryDirectory() as folder:
        root = project(Path(folder), users)
        home, copy = Path(folder) / "home", Path(folder) / "copy"
        measured(root, home, *run, "--ds", str(first - timedelta(days=1)))
        shutil.copytree(home, copy, symlinks=True)
        ours = measured(root, home, *run, "--ds", str(first), "--until", str(LAST))
        ours["peak_mb"] = last_report(root, home, "sample")["peak_mb"]
        peer = measured(
            root, copy, sys.executable, "-c", ONE_BY_ONE, str(first), str(alone)
        )
    ours |= {f"day_{k}": round(ours[k] / days, 2) for k in ("wall_s", "cpu_s")}
    peer |= {f"day_{k}": round(peer[k] / alone, 2) for k in ("wall_s", "cpu_s")}
    bar = 480 if not quick else 120
    checks = {
        f"{days} days of {users} users within {bar} s": {
            "value": ours["wall_s"],
            "bar": bar,
            "holds": ours["wall_s"] <= bar,
        }
    }
    names = ("day_wall_s", "day_cpu_s")
    print(
        json.dumps(
            {
                "name": "backfill",
                "quick": quick,
                "machine": f"{os.cpu_count()} cores, {platform.machine()}",
                "ours": ours,
                "peer": peer,
                "ratio": {n: round(ours[n] / peer[n], 3) for n in names},
                "checks": checks,
            }
        )
    )
    return 0 if all(c["holds"] for c in checks.values()) else 1


if __name__ == "__main__":
    sys.exit(main())

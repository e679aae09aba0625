"""What the sample world costs: 100,000 users over 400 days, written in one go.

    python benchmarks/sample_world.py [--quick] [--users N]

The world is written by a process of its own, with the project's settings but for the
number of users, into a folder that is removed afterwards. The peer is the world of 5,000
users: the ratio says how well the cost follows the size. `--quick` takes a tenth.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
USERS, SMALL = 100_000, 5_000
WRITE = """
import json, resource, sys
from pathlib import Path
from strata.config.loader import read_yaml
from strata.sample import SampleConfig, advance, last_day
root, folder, users = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
config = read_yaml(root / "config" / "sample.yml", SampleConfig)
config = config.model_copy(update={"users": users})
rows = advance(folder / "world", folder / "crm" / "crm.db", config, last_day(config)).rows
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"rows": sum(rows.values()), "peak_mb": round(peak)}))
"""


def written(users: int) -> dict[str, float]:
    """Wall and CPU seconds, rows, peak memory and bytes of a world of so many users."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", WRITE, str(ROOT), folder, str(users)],
            capture_output=True,
            text=True,
            check=True,
        )
        wall = time.perf_counter() - started
        files = [path for path in Path(folder).rglob("*") if path.is_file()]
        size = sum(path.stat().st_size for path in files)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    told: dict[str, float] = json.loads(done.stdout)
    return {
        "users": users,
        "wall_s": round(wall, 1),
        "cpu_s": round(cpu, 1),
        "users_per_s": round(users / wall, 1),
        "rows_per_user": round(told["rows"] / users, 1),
        "disk_mb": round(size / 2**20),
        "files": len(files),
        **told,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="a tenth, in half a minute"
    )
    parser.add_argument("--users", type=int, default=USERS)
    arguments = parser.parse_args()
    scale = 10 if arguments.quick else 1
    load = os.getloadavg()[0]
    ours, peer = written(arguments.users // scale), written(SMALL)
    bar = 600 * arguments.users / USERS / scale
    checks: dict[str, dict[str, Any]] = {
        told: {"value": ours[key], "bar": most, "holds": ours[key] <= most}
        for told, key, most in (
            ("wall seconds", "wall_s", bar),
            ("peak memory, MB", "peak_mb", 2_000),
        )
    }
    print(
        json.dumps(
            {
                "name": "sample_world",
                "quick": arguments.quick,
                "machine": f"{os.cpu_count()} cores, {platform.machine()}, "
                f"load {load:.1f} at the start",
                "ours": ours,
                "peer": peer,
                "ratio": {
                    key: round(ours[key] / peer[key], 3)
                    for key in ("users_per_s", "cpu_s", "peak_mb")
                },
                "checks": checks,
            }
        )
    )
    return 0 if all(check["holds"] for check in checks.values()) else 1


if __name__ == "__main__":
    sys.exit(main())

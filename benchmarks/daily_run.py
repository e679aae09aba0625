"""What a day costs: the first run, a day with nothing to do, a further day, real input.

    python benchmarks/daily_run.py [--quick]

Every run is the command of the README (`strata run`) in a process of its own, with a
fresh home, after set-up. The peer is the same day through the same functions in one
plain Python process, without Airflow: the ratio is what orchestration costs.
`--quick` takes a tenth of the users and leaves real input out.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("STRATA_SHARED_DATA") or ROOT.parent / "shared" / "data")
STRATA = Path(sys.executable).parent / "strata"
PLAIN = (
    "import sys; from datetime import date; from strata import pipeline;"
    "from strata.tenant import Tenant;"
    "pipeline.run_day(Tenant('sample'), date.fromisoformat(sys.argv[1]))"
)


def project(folder: Path, users: int) -> Path:
    """The project as it is, but for the number of users of the sample world."""
    root = folder / "project"
    root.mkdir()
    for name in ("dbt_project", "expectations", "dags", "plugins"):
        (root / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "config", root / "config")
    path = root / "config" / "sample.yml"
    sample = yaml.safe_load(path.read_text("utf-8")) | {"users": users}
    path.write_text(yaml.safe_dump(sample), "utf-8")
    return root


def measured(root: Path, home: Path, *command: str) -> dict[str, float]:
    """Wall and CPU seconds of a command and its children, and its peak memory."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    done = subprocess.run(
        command,
        env={**os.environ, "STRATA_PROJECT": str(root), "STRATA_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout[-3000:]}")
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return {"wall_s": round(wall, 2), "cpu_s": round(cpu, 2)}


def last_report(root: Path, home: Path, world: str) -> dict[str, Any]:
    told = subprocess.run(
        [str(STRATA), "report", "--json", "--world", world],
        env={**os.environ, "STRATA_PROJECT": str(root), "STRATA_HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(json.loads(told.stdout))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="a tenth, in a minute or two"
    )
    quick = parser.parse_args().quick
    day = date(2026, 10, 31)
    ours: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        root = project(Path(folder), 500 if quick else 5_000)
        home, plain = Path(folder) / "home", Path(folder) / "plain"
        run = (str(STRATA), "run", "--world", "sample")
        ours |= measured(root, home, *run, "--ds", str(day))
        ours["peak_mb"] = last_report(root, home, "sample")["peak_mb"]
        peer = measured(root, plain, sys.executable, "-c", PLAIN, str(day))
        again = measured(root, home, *run, "--ds", str(day))
        ours["fixed_s"], ours["fixed_cpu_s"] = again["wall_s"], again["cpu_s"]
        first, last = day + timedelta(days=1), day + timedelta(days=4)
        more = measured(root, home, *run, "--ds", str(first), "--until", str(last))
        # The first day of the range pays what a day with nothing to do pays.
        ours["further_day_wall_s"] = round((more["wall_s"] - again["wall_s"]) / 3, 2)
        ours["further_day_cpu_s"] = round((more["cpu_s"] - again["cpu_s"]) / 3, 2)
        data = SHARED / "online_retail"
        if not quick and data.is_dir():
            real = measured(
                root, home, str(STRATA), "run", "--world", "online_retail",
                "--data", str(data),
            )  # fmt: skip
            ours["real_wall_s"], ours["real_cpu_s"] = real["wall_s"], real["cpu_s"]
            ours["real_peak_mb"] = last_report(root, home, "online_retail")["peak_mb"]
    checks = _checks(ours)
    ratio = {k: round(ours[k] / peer[k], 3) for k in ("wall_s", "cpu_s")}
    print(
        json.dumps(
            {
                "name": "daily_run",
                "quick": quick,
                "machine": f"{os.cpu_count()} cores, {platform.machine()}",
                "ours": ours,
                "peer": peer,
                "ratio": ratio,
                "checks": checks,
            }
        )
    )
    return 0 if all(check["holds"] for check in checks.values()) else 1


def _checks(ours: dict[str, float]) -> dict[str, dict[str, Any]]:
    bars = {
        "the first run, sample world, wall seconds": ("wall_s", 120),
        "its peak memory, MB": ("peak_mb", 2_500),
        "a day with nothing to do, wall seconds": ("fixed_s", 45),
        "each further day of a backfill, wall seconds": ("further_day_wall_s", 15),
        "real input, wall seconds": ("real_wall_s", 120),
    }
    return {
        told: {"value": ours[key], "bar": bar, "holds": ours[key] <= bar}
        for told, (key, bar) in bars.items()
        if key in ours
    }


if __name__ == "__main__":
    sys.exit(main())

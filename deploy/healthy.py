"""Health check: healthy.py PART URL ends with 0 where Airflow's API calls PART healthy.

PART is metadatabase, scheduler, dag_processor or triggerer. It asks the API, which
knows every heartbeat, and imports nothing of Airflow: a check costs some milliseconds.
"""

import json
import sys
import urllib.request


def main() -> int:
    part, url = sys.argv[1:]
    try:
        with urllib.request.urlopen(f"{url}/api/v2/monitor/health", timeout=8) as reply:
            status = json.load(reply)[part]["status"]
    except (OSError, ValueError) as error:
        status = f"not known, since the API does not answer: {error}"
    print(f"{part} is {status}")
    return 0 if status == "healthy" else 1


if __name__ == "__main__":
    sys.exit(main())

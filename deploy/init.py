"""Before the services start: Airflow's database in its shape, and an administrator.

Ends with code 0 once both are there; running it again changes nothing. The first
password comes from the file that STRATA_ADMIN_PASSWORD_FILE names; who changes it on
the page keeps the change.
"""

import os
import subprocess
from pathlib import Path


def main() -> None:
    subprocess.run(["airflow", "db", "migrate"], check=True)
    from airflow.providers.fab.auth_manager.cli_commands.utils import (
        get_application_builder,
    )

    name = os.environ["STRATA_ADMIN"]
    place = Path(os.environ["STRATA_ADMIN_PASSWORD_FILE"])
    with get_application_builder() as builder:
        users = builder.sm
        if users.find_user(username=name) is None and not users.add_user(
            username=name,
            first_name="Strata",
            last_name="Administrator",
            email=f"{name}@localhost",
            role=users.find_role("Admin"),
            password=place.read_text(encoding="utf-8").strip(),
        ):
            raise SystemExit(f"the user {name} could not be made")
    print(f"the database is ready, and {name} can log in")


if __name__ == "__main__":
    main()

"""Start Superset over Strata's published copy, with an administrator to log in.

Usage: start.py ADDRESS:PORT, in the image of deploy/bi/Dockerfile.
"""

import os
import subprocess
import sys
from pathlib import Path

COPY = os.environ.get("STRATA_BI_COPY", "/serving/strata.duckdb")
USER = "admin"


def prepare() -> None:
    """Superset's database in its shape, the administrator, and the copy as a source."""
    password = Path(os.environ["STRATA_BI_PASSWORD_FILE"]).read_text("utf-8").strip()
    for step in (["db", "upgrade"], ["init"]):
        subprocess.run(["superset", *step], check=True)
    from superset.app import create_app

    with create_app().app_context():
        from superset import db, security_manager
        from superset.models.core import Database

        if security_manager.find_user(username=USER) is None:
            security_manager.add_user(
                username=USER,
                first_name="Strata",
                last_name="Administrator",
                email=f"{USER}@localhost",
                role=security_manager.find_role("Admin"),
                password=password,
            )
        if not db.session.query(Database).filter_by(database_name="Strata").count():
            # The file is swapped daily: no connection may outlive a question.
            source = Database(database_name="Strata", expose_in_sqllab=True)
            source.set_sqlalchemy_uri(f"duckdb:///{COPY}?access_mode=read_only")
            db.session.add(source)
            db.session.commit()


def main() -> None:
    prepare()
    server = [
        "gunicorn",
        "--bind",
        f"{sys.argv[1]}",
        "--workers",
        "1",
        "--threads",
        "8",
    ]
    server += ["--timeout", "120", "superset.app:create_app()"]
    os.execvp(server[0], server)


if __name__ == "__main__":
    main()

"""Superset's settings: its own state in its volume, its key from a mounted file."""

import os
from pathlib import Path

_home = Path(os.environ.get("SUPERSET_HOME", "/app/superset_home"))

SECRET_KEY = Path(os.environ["STRATA_BI_SECRET_KEY_FILE"]).read_text("utf-8").strip()
SQLALCHEMY_DATABASE_URI = f"sqlite:///{_home / 'superset.db'}"
AUTH_USER_REGISTRATION = False

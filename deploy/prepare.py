"""Make what docker-compose.yml mounts: the secrets, and the folders of the state.

Usage: prepare.py [SECRETS [STATE [WORLD]]]; needs Python alone. What is there is never
changed, so it can be run again after an update. A secret is a file that only its owner
reads: run it as the user whose number is STRATA_UID.
"""

import base64
import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path

CONNECTIONS = """\
# Airflow's connections, one a name that config/sources.yml or config/activation.yml
# gives as `connection:`. Put yours in the place of the last line. Every task reads
# this file anew; no restart is needed.
#
# crm:
#   conn_type: postgres
#   host: crm.example.com
#   port: 5432
#   login: strata
#   password: ...
#   schema: crm
{}
"""


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


RANDOM: dict[str, Callable[[], str]] = {
    "admin_password": lambda: secrets.token_urlsafe(16),
    "api_secret": lambda: secrets.token_hex(32),
    "bi_password": lambda: secrets.token_urlsafe(16),
    "bi_secret_key": lambda: secrets.token_hex(32),
    "connections.yml": lambda: CONNECTIONS,
    "fernet_key": _fernet_key,
    "jwt_secret": lambda: secrets.token_hex(32),
    "postgres_password": lambda: secrets.token_hex(24),
    "pseudonym_key": lambda: secrets.token_hex(32),
}


def make_secrets(folder: Path) -> list[str]:
    """The names of the secrets that were made; those that are there stay."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = [name for name, make in RANDOM.items() if _write(folder / name, make)]
    password = (folder / "postgres_password").read_text("utf-8")
    url = f"postgresql+psycopg2://airflow:{password}@postgres:5432/airflow"
    if _write(folder / "metadata_url", lambda: url):
        made.append("metadata_url")
    return made


def make_folders(state: Path, world: str) -> None:
    """The folders that are mounted: Docker would make them as root."""
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in ("landing", "airflow/logs", f"{world}/serving"):
        (state / name).mkdir(parents=True, exist_ok=True)


def _write(place: Path, make: Callable[[], str]) -> bool:
    try:
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(make())
    return True


def main() -> None:
    given = dict(enumerate(sys.argv[1:]))
    folder = Path(given.get(0, "secrets"))
    made = make_secrets(folder)
    make_folders(Path(given.get(1, "var")), given.get(2, "sample"))
    print(f"made in {folder}: {', '.join(made) or 'nothing, all were there'}")
    print(f"log in as admin; the password is in {folder / 'admin_password'}")


if __name__ == "__main__":
    main()

"""Secrets by their name: from the environment, a mounted file, or Airflow.

A configuration file names a secret and never holds it. What is read here is kept in
mind, so that :func:`hide` finds it in the words of a driver before anybody reads them.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from strata.config.loader import ConfigError

if TYPE_CHECKING:
    from sqlalchemy import URL

FILE_SUFFIX = "_FILE"
HIDDEN = "***"
# Shorter ones are words that stand in a text by chance.
_MIN_HIDDEN_LENGTH = 5
# What Airflow calls a kind of connection and SQLAlchemy a database.
_DATABASES = {"postgres": "postgresql"}

_known: set[str] = set()


def value(variable: str) -> str | None:
    """What the variable holds, else the file that ``<variable>_FILE`` names, else None.

    Raises ``ConfigError`` where that file cannot be read or is empty.
    """
    found = os.environ.get(variable)
    place = os.environ.get(variable + FILE_SUFFIX)
    if not found and place:
        try:
            found = Path(place).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{variable}{FILE_SUFFIX} names {place}, which cannot be read "
                f"({type(error).__name__}): mount the secret there, readable by the "
                "user who runs Strata"
            ) from None
        if not found:
            raise ConfigError(f"{variable}{FILE_SUFFIX} names {place}, which is empty")
    if found:
        _keep_in_mind(found)
    return found or None


def connection_url(name: str) -> "URL":
    """The database that a connection's name stands for, with its password.

    ``STRATA_CONNECTION_<NAME>`` or the file that ``STRATA_CONNECTION_<NAME>_FILE``
    names holds a URL of SQLAlchemy; else Airflow's connection of that name is taken,
    where Airflow is set up. Raises ``ConfigError`` naming the connection and what to
    do where there is none or it is no URL.
    """
    variable = f"STRATA_CONNECTION_{name.upper()}"
    text = value(variable)
    url = _parsed(text, variable) if text else _of_airflow(name)
    if url is None:
        raise ConfigError(
            f"there is no connection {name!r}: set {variable} to its URL (in .env), or "
            f"{variable}{FILE_SUFFIX} to a file that holds it, or give Airflow a "
            "connection of that name"
        )
    if url.password:
        _keep_in_mind(url.password)
    _keep_in_mind(url.render_as_string(hide_password=False))
    return url


def database_url(url: str | None, connection: str | None, home: Path) -> "URL":
    """Where a database is that a configuration file gives by URL or by connection.

    ``str()`` of it hides the password. Raises ``ConfigError`` as ``connection_url``.
    """
    from sqlalchemy import make_url

    if connection is not None:
        return connection_url(connection)
    found = make_url(str(url))
    if not found.database:
        return found
    return found.set(database=found.database.replace("{home}", str(home)))


def hide(text: str) -> str:
    """``text`` with every secret that this process has read replaced by ``***``."""
    for secret in sorted(_known, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def _parsed(text: str, variable: str) -> "URL":
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(text)
    except (ArgumentError, ValueError):
        raise ConfigError(
            f"{variable} holds no URL of the form driver://user:password@host/database;"
            " a character of the password that has a meaning in a URL (such as @ / : #)"
            " is written as %40 %2F %3A %23"
        ) from None


def _of_airflow(name: str) -> "URL | None":
    """Airflow's connection of this name, from whichever backend it is set up with."""
    if "AIRFLOW_HOME" not in os.environ:  # asking would make a home for it
        return None
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException
    from sqlalchemy import URL

    try:
        found = BaseHook.get_connection(name)
    except AirflowNotFoundException:
        return None
    scheme = str(found.conn_type)
    return URL.create(
        found.extra_dejson.get("sqlalchemy_scheme") or _DATABASES.get(scheme, scheme),
        username=found.login or None,
        password=found.password or None,
        host=found.host or None,
        port=found.port,
        database=found.schema or None,
    )


def _keep_in_mind(secret: str) -> None:
    """For :func:`hide`, and for Airflow, which hides it in what a task logs."""
    if len(secret) < _MIN_HIDDEN_LENGTH or secret in _known:
        return
    _known.add(secret)
    if "AIRFLOW_HOME" in os.environ:
        from airflow.sdk.log import mask_secret

        mask_secret(secret)

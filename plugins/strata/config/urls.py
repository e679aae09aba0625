"""How a configuration file names a database: by a URL without a password, or a name."""

from typing import Annotated

from pydantic import AfterValidator, Field


def _no_password(url: str) -> str:
    scheme, _, rest = url.partition("://")
    authority, _, query = rest.partition("?")
    user = authority.rpartition("@")[0]
    if not scheme or ":" in user or "password=" in query.lower():
        raise ValueError(
            "write the URL as driver://user@host/database, without a password; where "
            "it needs one, name a connection instead (connection: <name>)"
        )
    return url


DatabaseUrl = Annotated[
    str,
    AfterValidator(_no_password),
    Field(description="without a password; {home} is the tenant's home"),
]
ConnectionName = Annotated[
    str,
    Field(
        pattern=r"^[a-z][a-z0-9_]*$",
        description="resolved by strata.secrets: environment, file, Airflow",
    ),
]

"""Which client a target has."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from strata.activation.client import CrmClient
from strata.activation.file_client import FileClient
from strata.activation.sql_client import SqlClient
from strata.config.activation import FileClientConfig, Target


@contextlib.contextmanager
def open_client(target: Target, home: Path) -> Iterator[CrmClient]:
    """The client of ``target`` for the tenant at ``home``, closed with the block."""
    client: FileClient | SqlClient
    if isinstance(target.client, FileClientConfig):
        client = FileClient(target.client, target.name, target.fields, home)
    else:
        client = SqlClient(target.client, target.fields, target.stamp_field, home)
    try:
        yield client
    finally:
        client.close()

"""Debian packages for a test, unpacked into a folder of their own: nothing is installed.

The folder lies under the machine's temporary one and is kept for the next run of the
tests. It can be read by every user, since PostgreSQL refuses to be root.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

_KINDS = ("Recommends", "Suggests", "Conflicts", "Breaks", "Replaces", "Enhances")


def unpacked(package: str, *, also: str = "", without: tuple[str, ...] = ()) -> Path:
    """The root below which ``package`` lies with what it needs and is not installed.

    Packages whose name begins with ``also`` are taken though they are installed. Skips
    the test where this is no Debian, or where its packages cannot be had.
    """
    for tool in ("apt-get", "apt-cache", "dpkg-deb", "dpkg-query"):
        if shutil.which(tool) is None:
            pytest.skip(f"{package} of Debian is needed, and there is no {tool} here")
    root = Path(tempfile.gettempdir()) / f"strata-{package}-{os.getuid()}"
    if root.is_dir():
        return root
    work = Path(tempfile.mkdtemp(prefix=f"{root.name}-"))
    try:
        wanted = [
            name
            for name in _needed(package, work)
            if name not in without
            and ((also and name.startswith(also)) or not _is_installed(name))
        ]
        _apt("apt-get", "download", package, *wanted, work=work)
        for archive in work.glob("*.deb"):
            _run(["dpkg-deb", "-x", str(archive), str(work / "root")], work)
        (work / "root").chmod(0o755)
        (work / "root").rename(root)
    except (OSError, subprocess.CalledProcessError) as error:
        told = getattr(error, "stderr", "") or str(error)
        pytest.skip(f"{package} of Debian cannot be had here: {told.strip()[-300:]}")
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return root


def _needed(package: str, work: Path) -> list[str]:
    options = ["--recurse"] + [f"--no-{k.lower()}" for k in _KINDS]
    try:
        listed = _apt("apt-cache", "depends", *options, package, work=work)
    except subprocess.CalledProcessError:  # no package lists yet
        _apt("apt-get", "update", "-q", work=work)
        listed = _apt("apt-cache", "depends", *options, package, work=work)
    names = {line for line in listed.splitlines() if line[:1].isalnum()}
    return sorted(n for n in names - {package} if ":" not in n)


def _apt(tool: str, *arguments: str, work: Path) -> str:
    """apt with lists of its own where the machine has none, and so without root."""
    own = []
    if (work / "lists").is_dir() or arguments[0] == "update":
        (work / "lists" / "partial").mkdir(parents=True, exist_ok=True)
        own = ["-o", f"Dir::State::lists={work / 'lists'}"]
        own += ["-o", f"Dir::Cache={work / 'cache'}", "-o", "Debug::NoLocking=1"]
    sandbox = ["-o", "APT::Sandbox::User=root"] if os.getuid() == 0 else []
    return _run([tool, *own, *sandbox, *arguments], work)


def _is_installed(name: str) -> bool:
    asked = subprocess.run(
        ["dpkg-query", "-W", "-f", "${db:Status-Status}", name],
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout == "installed"


def _run(command: list[str], folder: Path) -> str:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=True, timeout=240
    )
    return done.stdout

"""Read a YAML file into a pydantic model; errors name the file, the line, the key.

Read by libyaml, which takes a tenth of the time: each step of a run reads its rules.
"""

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError


class KeyFaultError(ValueError):
    """What a validator finds wrong with one key below the one that it validates."""

    def __init__(self, key: tuple[str | int, ...], message: str) -> None:
        super().__init__(message)
        self.key = key


M = TypeVar("M", bound=BaseModel)


class ConfigError(ValueError):
    """A configuration file that cannot be used, with where and why."""


def read_yaml(path: Path, model: type[M]) -> M:
    """The file at ``path`` as a ``model``.

    Raises ``ConfigError`` naming file, line and key where the file is missing, is no
    YAML or does not fit the model.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: the file is missing") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text ({error.reason})") from None
    try:
        node, content = _parsed(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}" if mark else "an unknown line"
        problem = getattr(error, "problem", None) or str(error)
        raise ConfigError(f"{path}: {line}: not valid YAML: {problem}") from None
    try:
        return model.model_validate({} if content is None else content)
    except ValidationError as error:
        faults = [_fault(path, node, dict(item)) for item in error.errors()]
        raise ConfigError("\n".join(faults)) from None


def _parsed(text: str) -> tuple[yaml.Node | None, Any]:
    """The nodes with their lines, and what they say. Raises ``YAMLError``."""
    try:
        node: yaml.Node | None = yaml.compose(text, Loader=yaml.CSafeLoader)
        return node, yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError:
        yaml.safe_load(text)  # its words on a fault say more
        raise


def _fault(path: Path, node: yaml.Node | None, item: dict[str, Any]) -> str:
    error = item.get("ctx", {}).get("error")
    location = tuple(item["loc"]) + (
        error.key if isinstance(error, KeyFaultError) else ()
    )
    key = ".".join(str(part) for part in location) or "(the whole file)"
    return f"{path}: line {_line(node, location)}: {key}: {item['msg']}"


def _line(node: yaml.Node | None, location: tuple[Any, ...]) -> int:
    """Line (from 1) of the deepest part of ``location`` that the file has."""
    line = node.start_mark.line + 1 if node else 1
    for part in location:
        found: yaml.Node | None = None
        if isinstance(node, yaml.MappingNode):
            for key_node, value_node in node.value:
                if key_node.value == str(part):
                    line, found = key_node.start_mark.line + 1, value_node
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            found = node.value[part]
            line = found.start_mark.line + 1
        if found is None:
            break
        node = found
    return line

"""Reads a TOML file into a frozen dataclass; an unknown key is an error that names the most similar one."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from shards.disk import open_regular
from shards.errors import SettingsError
from shards.nearest_name import did_you_mean

T = TypeVar("T")
# The tables of a TOML file: keys to values, lists and tables.
Tables = dict[str, Any]
LARGEST_RECIPE = 16 * 10**6


def named_file(name_or_path: str, known: Mapping[str, Path], what: str) -> Path:
    """The file of a known name, or the TOML file that is named; raises SettingsError for any other name.

    `what` is what the names stand for, such as "recipe". A file NAME.toml in the current folder is proposed.
    """
    if name_or_path.endswith(".toml"):
        return Path(name_or_path)
    if name_or_path in known:
        return known[name_or_path]
    file = f"{name_or_path}.toml"
    if Path(file).is_file():
        raise SettingsError(f"no {what} named {name_or_path}; did you mean the file {file}?")
    raise SettingsError(
        f"no {what} named {name_or_path}; expected one of {', '.join(known)}; or name a .toml file"
        f"{did_you_mean(name_or_path, known)}"
    )


def read_toml(path: Path) -> Tables:
    """The tables of a TOML file; raises SettingsError if it is absent, too large or not TOML.

    A byte order mark at its start is allowed.
    """
    try:
        with open_regular(path) as file:
            text = file.read(LARGEST_RECIPE + 1)
        if len(text) > LARGEST_RECIPE:
            raise SettingsError(
                f"{path}: is larger than {LARGEST_RECIPE} bytes, too large for a recipe; name a TOML file"
            )
    except FileNotFoundError as error:
        others = [other.name for other in path.parent.glob("*.toml")]
        meant = did_you_mean(path.name, others)
        raise SettingsError(f"{path}: no such file; check its path{meant}") from error
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror}); name a TOML file") from error
    return parse_toml(text, str(path))


def parse_toml(text: bytes, where: str) -> Tables:
    """The tables of this text; raises SettingsError if it is not TOML."""
    try:
        return _tables(text.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise SettingsError(f"{where}: cannot be read ({error})") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{where}: not TOML: {error}") from error


def _tables(text: str) -> Tables:
    """The tables of TOML text; raises TOMLDecodeError whenever Python's reader fails."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise tomllib.TOMLDecodeError("nested too deeply") from None
    except tomllib.TOMLDecodeError:
        raise
    except ValueError as error:
        # A number with more digits than int allows.
        raise tomllib.TOMLDecodeError(str(error)) from error


def override(tables: Tables, assignments: Iterable[str]) -> Tables:
    """The tables after each assignment `a.b=value`; a value is TOML or a plain string; `a.b=` removes the
    key.

    A table of a list is selected by its name or its number: `fields.velocity.power=0`, `exclude.0.files=a*`.

    >>> override({"schedule": {"rate": 0.1}}, ["schedule.rate=2e-3", "title=a test"])
    {'schedule': {'rate': 0.002}, 'title': 'a test'}
    """
    result: Any = tables
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals or not path.strip():
            raise SettingsError(f"--set {assignment}: expected a.b=value")
        result = _with(result, path.strip().split("."), text, f"--set {assignment}")
    return dict(result)


def _with(tables: Any, path: list[str], text: str, where: str) -> Any:
    """A copy of a table, or of a list of tables, with the value at this path."""
    key, *rest = path
    if isinstance(tables, list):
        if not rest:
            raise SettingsError(f"{where}: {key} is one of several tables; expected a key of it")
        place = _place(tables, key, where)
        return [*tables[:place], _with(tables[place], rest, text, where), *tables[place + 1 :]]
    if rest:
        inner = tables.get(key, {})
        if not isinstance(inner, dict) and not _is_tables(inner):
            raise SettingsError(f"{where}: {key} is a value, not a table")
        return {**tables, key: _with(inner, rest, text, where)}
    if not text.strip():
        return {name: value for name, value in tables.items() if name != key}
    return {**tables, key: _value(text)}


def _place(tables: list[Tables], key: str, where: str) -> int:
    names = [str(table.get("name", number)) for number, table in enumerate(tables)]
    if key in names:
        return names.index(key)
    if key.isdecimal() and int(key) < len(tables):
        return int(key)
    raise SettingsError(f"{where}: no table {key}; expected one of {', '.join(names)}")


def _value(text: str) -> Any:
    try:
        return _tables(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def make(cls: type[T], tables: Tables, where: str) -> T:
    """Makes the dataclass from these values; raises a SettingsError that names each fault."""
    try:
        return TypeAdapter(cls).validate_python(tables)
    except ValidationError as error:
        raise SettingsError(
            f"{where}: " + "; ".join(_fault(cls, fault) for fault in error.errors())
        ) from error


def load(cls: type[T], path: Path, assignments: Iterable[str] = ()) -> T:
    """Makes the dataclass from a TOML file and `--set` assignments; raises SettingsError."""
    return make(cls, override(read_toml(path), assignments), str(path))


def _fault(cls: type[Any], fault: Any) -> str:
    location = ".".join(str(part) for part in fault["loc"])
    if fault["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        return f"unknown key {location}{did_you_mean(str(fault['loc'][-1]), sorted(_known_names(cls)))}"
    if fault["type"] == "missing":
        return f"{location} is missing"
    said = fault["msg"].removeprefix("Value error, ")
    return f"{location}: {said} (found {fault['input']!r})" if location else said


def _known_names(cls: type[Any]) -> set[str]:
    schema = TypeAdapter(cls).json_schema()
    tables = [schema, *schema.get("$defs", {}).values()]
    return set().union(*(table.get("properties", {}) for table in tables))


def dump_toml(tables: Tables) -> str:
    """The TOML text of plain tables (str, int, float, bool, lists, tables; None is left out).

    >>> print(dump_toml({"name": "waves", "axes": ["x"], "time": {"step": 0.5}}), end="")
    name = "waves"
    axes = ["x"]
    <BLANKLINE>
    [time]
    step = 0.5
    """
    return "\n".join(_table_lines(tables, ())) + "\n"


def _table_lines(table: Tables, path: tuple[str, ...]) -> list[str]:
    """The lines of a table, plain values first: a key after a `[table]` would belong to that table."""
    lines = []
    inner: list[tuple[str, Any]] = []
    for key, value in table.items():
        if value is None:
            continue
        if isinstance(value, dict) or _is_tables(value):
            inner.append((key, value))
        else:
            lines.append(f"{_key(key)} = {_literal(value)}")

    for key, value in inner:
        name = (*path, key)
        for entry in [value] if isinstance(value, dict) else value:
            header = ".".join(_key(part) for part in name)
            lines += [
                "",
                f"[{header}]" if isinstance(value, dict) else f"[[{header}]]",
                *_table_lines(entry, name),
            ]

    return lines


def _is_tables(value: Any) -> bool:
    return (
        isinstance(value, list | tuple) and len(value) > 0 and all(isinstance(entry, dict) for entry in value)
    )


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _literal(key)


def _literal(value: Any) -> str:
    """A value on one line; in strings only quotes, backslashes and control characters are escaped."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + re.sub(r"[\x00-\x1f\x7f]", lambda found: f"\\u{ord(found[0]):04x}", escaped) + '"'
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(k)} = {_literal(v)}" for k, v in value.items() if v is not None) + "}"
    return "[" + ", ".join(_literal(v) for v in value) + "]"

"""Configuration of a process: flags over a TOML file over defaults, checked by one frozen struct.

The struct is the only place where an option is written down: its fields become flags, their `Meta(description=…)` the
help, their bounds the checks.
"""

import argparse
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import msgspec

T = TypeVar("T", bound=msgspec.Struct)


class ConfigError(Exception):
    """One sentence that names the option, what is wrong and what is allowed."""


def parse(kind: type[T], parser: argparse.ArgumentParser, argv: Sequence[str]) -> T:
    """Read `argv` into a `kind`. Adds the struct's flags, `--config FILE` and `--print-config` to `parser`.

    Raises ConfigError; exits after `--help` and `--print-config`.
    """
    parser.add_argument("--config", metavar="FILE", type=Path, help="TOML file with any of these options")
    parser.add_argument("--print-config", action="store_true", help="print the options in force as TOML and exit")
    _add_flags(parser, kind)
    flags = vars(parser.parse_args(argv))
    file, print_config = flags.pop("config"), flags.pop("print_config")
    values = _read(file) if file else {}
    for dotted, value in flags.items():
        if value is not None:
            *tables, name = dotted.split(".")
            table = values
            for key in tables:
                table = table.setdefault(key, {})
            table[name] = value
    config = check(kind, values)
    if print_config:
        print(msgspec.toml.encode(_without_none(msgspec.to_builtins(config))).decode(), end="")
        raise SystemExit(0)
    return config


def check(kind: type[T], values: dict[str, Any]) -> T:
    """Values as a `kind`; raises ConfigError naming the field and its range."""
    try:
        return msgspec.convert(_spelled(kind, values), kind, strict=False)
    except msgspec.ValidationError as why:
        what, _, path = str(why).partition(" - at ")
        raise ConfigError(_sentence(kind, values, what, path.strip("`$."))) from why


def _spelled(kind: Any, value: Any) -> Any:
    """The value for a field of this type, numbers such as .5 with the 0 that msgspec wants before their point."""
    base, _ = _unpack(kind)
    if isinstance(value, dict) and isinstance(base, type) and issubclass(base, msgspec.Struct):
        types = {field.encode_name: field.type for field in msgspec.structs.fields(base)}
        return {name: _spelled(types.get(name), one) for name, one in value.items()}
    return re.sub(r"^\.(?=[0-9]+$)", "0.", value) if base is float and isinstance(value, str) else value


def _sentence(kind: type[msgspec.Struct], values: Any, what: str, path: str) -> str:
    """A message of msgspec as one of ours: the option, what it must be, what it is."""
    expected: Any = kind
    for name in path.split(".") if path else []:
        fields = {field.encode_name: field.type for field in msgspec.structs.fields(expected)}
        expected, _ = _unpack(fields[name]) if name in fields else (None, None)
        values = values.get(name) if isinstance(values, dict) else None
    if get_origin(expected) is Literal:
        what = "expected one of " + ", ".join(map(str, get_args(expected)))
    if unknown := re.search(r"unknown field `(.+)`", what):
        return f"there is no option {'.'.join(filter(None, [path, unknown[1]]))!r}."
    what = re.sub(r" \| null|, got \S+", "", what.replace("`", ""))
    what = what[:1].lower() + what[1:]
    return f"option {path.replace('_', '-')!r}: {what}, not {values!r}." if path else f"{what}."


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as why:
        raise ConfigError(f"cannot read {file}: {getattr(why, 'strerror', None) or why}.") from why
    except tomllib.TOMLDecodeError as why:
        raise ConfigError(f"{file} is not valid TOML: {why}.") from why


def _add_flags(parser: argparse.ArgumentParser, kind: type[msgspec.Struct], prefix: str = "") -> None:
    for field in msgspec.structs.fields(kind):
        base, meta = _unpack(field.type)
        name = prefix + field.encode_name.replace("_", "-")
        if isinstance(base, type) and issubclass(base, msgspec.Struct):
            _add_flags(parser, base, f"{name}.")
            continue
        text = ((meta.description or "") if meta else "") + _default_text(field)
        options: dict[str, Any] = {
            "dest": prefix + field.name,
            "default": None,
            "help": text.strip().replace("%", "%%"),
        }
        if base is bool:
            parser.add_argument(f"--{name}", action=argparse.BooleanOptionalAction, **options)
        elif get_origin(base) is list:
            parser.add_argument(f"--{name}", action="append", metavar=_metavar(name, meta), **options)
        else:
            parser.add_argument(f"--{name}", metavar=_metavar(name, meta), **options)


def _default_text(field: msgspec.structs.FieldInfo) -> str:
    made = field.default_factory is not msgspec.NODEFAULT
    default = field.default_factory() if made else field.default
    if default in (msgspec.NODEFAULT, None, "", False, []):
        return ""
    return f" (default {', '.join(default) if isinstance(default, list) else default})"


def _unpack(kind: Any) -> tuple[Any, msgspec.Meta | None]:
    """The type inside Annotated[…] and `… | None`, with its Meta."""
    if get_origin(kind) is Annotated:
        inner, *notes = get_args(kind)
        base, _ = _unpack(inner)
        return base, next((note for note in notes if isinstance(note, msgspec.Meta)), None)
    options = [option for option in get_args(kind) if option is not type(None)]
    if len(options) == 1 and get_origin(kind) is not list:
        return _unpack(options[0])
    return kind, None


def _metavar(name: str, meta: msgspec.Meta | None) -> str:
    return meta.title if meta and meta.title else name.rpartition(".")[2].upper()


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return value

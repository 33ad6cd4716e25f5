"""YAML files that remember the line of every value.

People write taxonomies, mappings, label spaces and training configurations, so errors must name the line.
:class:`YamlFile` reads a file once into plain data plus a table *key path -> line*; the validators of the other modules
only know key paths, which are turned into lines here.

It differs from stock PyYAML in two ways, because class names are text: only ``true`` and ``false`` are booleans (YAML
1.1 would read the names ``no``, ``on`` and ``yes`` as such), and mapping keys are always strings. Repeated keys are
errors.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from labelforge.errors import LabelforgeError, TaxonomyError, did_you_mean

KeyPath = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class YamlFile:
    """A parsed YAML file, or data of the same form.

    Attributes:
        path: Where it was read from; "<text>" for a string.
        data: Plain ``dict``, ``list``, ``str``, ``int``, ``float``, ``bool`` and ``None``.
        lines: Line (from 1) of every value, by key path. For the value of a mapping this is the line of its key. Empty
            for data that was not read from a text.
        error: The exception class that faults in this file raise.
    """

    path: str
    data: Any
    lines: dict[KeyPath, int] = field(repr=False)
    error: type[LabelforgeError] = TaxonomyError

    @classmethod
    def load(cls, path: str | os.PathLike[str], error: type[LabelforgeError] = TaxonomyError) -> YamlFile:
        """Read a file.

        Raises:
            LabelforgeError: Of class ``error``: the file is missing, unreadable, not UTF-8, not YAML, or repeats a key.
        """
        name = os.fspath(path)
        try:
            text = Path(name).read_text(encoding="utf-8")
        except FileNotFoundError:
            raise error("no such file", where=name, cure="Check the path.") from None
        except UnicodeDecodeError as fault:
            raise error(f"not UTF-8 text ({fault.reason})", where=name, cure="Save the file as UTF-8.") from None
        except OSError as fault:
            raise error(f"cannot be read ({fault.strerror})", where=name, cure="Check the path.") from None
        return cls.parse(text, name, error)

    @classmethod
    def parse(cls, text: str, path: str = "<text>", error: type[LabelforgeError] = TaxonomyError) -> YamlFile:
        """Parse a string; arguments and errors as in :meth:`load`."""
        try:
            root = _compose(text)
            lines: dict[KeyPath, int] = {(): 1}
            data = None if root is None else _Builder(path, error, lines).build(root, (), ())
        except RecursionError:
            cure = "Make it flatter: Python cannot read hundreds of levels."
            raise error("nested too deeply", where=path, cure=cure) from None
        except yaml.MarkedYAMLError as fault:
            mark = fault.problem_mark or fault.context_mark
            line = None if mark is None else mark.line + 1
            raise error(f"not valid YAML: {fault.problem}", where=path, line=line, cure=_YAML_CURE) from None
        except yaml.YAMLError as fault:
            raise error(f"not valid YAML: {fault}", where=path, cure=_YAML_CURE) from None
        return cls(path, data, lines, error)

    @classmethod
    def of_data(cls, name: str, data: Any, error: type[LabelforgeError] = TaxonomyError) -> YamlFile:
        """Wrap data that does not come from YAML text, so that it can be validated alike; its values have no lines.

        Args:
            name: Name for it in errors.
            data: What :attr:`data` may hold.
            error: The exception class that faults in it raise.
        """
        return cls(name, data, {}, error)

    def line(self, at: KeyPath) -> int | None:
        """Line of the value at a key path, or of its nearest ancestor that has one; None where there are no lines."""
        while at and at not in self.lines:
            at = at[:-1]
        return self.lines.get(at)

    def fail(self, at: KeyPath, what: str, cure: str | None = None) -> NoReturn:
        """Raise this file's error class for the value at a key path."""
        raise self.error(what, where=self.path, line=self.line(at), cure=cure)

    def value(self, at: KeyPath) -> Any:
        """The value at a key path that exists."""
        value = self.data
        for part in at:
            value = value[part]
        return value

    def validate(self, model: type[Model], at: KeyPath = ()) -> Model:
        """Validate the value at a key path (default: the whole file) against a pydantic model.

        Raises:
            LabelforgeError: Of class ``error``: the first fault found, at its line.
        """
        data = self.value(at)
        if not isinstance(data, dict):
            place = f"{at[-1]!r}" if at else "the file"
            self.fail(at, f"{place} must be a mapping, not {_kind(data)}", "Write 'key: value' lines.")
        try:
            return model.model_validate(data)
        except ValidationError as fault:
            # A misspelt key also leaves the right one missing: the misspelling is the one to report.
            first = min(fault.errors(), key=lambda error: error["type"] != "extra_forbidden")
            inner: KeyPath = tuple(first["loc"])
            what, cure = _explain(model, first, inner)
            self.fail((*at, *inner), what, cure)


_YAML_CURE = "Check indentation, colons, brackets and quotes at and above this line."


class _Loader(yaml.SafeLoader):
    """The safe loader with the implicit types of the YAML 1.2 core schema."""


# Class attributes of SafeLoader are shared with its parents: the table is built anew, not edited.
_Loader.yaml_implicit_resolvers = {}
_CORE: list[tuple[str, str, str]] = [
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("null", r"^(?:~|null|Null|NULL|)$", "~nN\0"),
    ("int", r"^[-+]?[0-9]+$", "-+0123456789"),
    ("float", r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", "-+0123456789."),
    ("float", r"^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$", "-+."),
]
for _tag, _pattern, _first in _CORE:
    for _char in _first:
        _key = "" if _char == "\0" else _char
        _Loader.yaml_implicit_resolvers.setdefault(_key, []).append((f"tag:yaml.org,2002:{_tag}", re.compile(_pattern)))


def _compose(text: str) -> yaml.Node | None:
    """The YAML text as marked nodes: by libyaml, ten times as fast, where PyYAML was built with it.

    Both give the same nodes at the same places; a text that libyaml refuses is read again in Python, whose errors name
    the offending character and its place more exactly.
    """
    if yaml.__with_libyaml__:
        with suppress(yaml.YAMLError):
            return _compose_fast(text)
    return yaml.compose(text, Loader=_Loader)


def _compose_fast(text: str) -> yaml.Node | None:
    parser = yaml.cyaml.CSafeLoader(text)
    parser.yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers
    try:
        return parser.get_single_node()
    finally:
        parser.dispose()


_LONGEST_INT = 1000  # digits; Python reads up to 4300. What is longer stays text and is refused as that.

_SHOWN = 60  # characters of a wrong value that a message repeats

_SCALARS: dict[str, Callable[[str], Any]] = {
    "tag:yaml.org,2002:bool": lambda text: text.lower() == "true",
    "tag:yaml.org,2002:null": lambda _: None,
    "tag:yaml.org,2002:int": lambda text: int(text) if len(text) <= _LONGEST_INT else text,
    "tag:yaml.org,2002:float": lambda text: float(text.replace(".inf", "inf").replace(".nan", "nan")),
    "tag:yaml.org,2002:str": str,
}


@dataclass
class _Builder:
    """Turns YAML nodes into plain data and notes the line of each."""

    path: str
    error: type[LabelforgeError]
    lines: dict[KeyPath, int]

    def build(self, node: yaml.Node, at: KeyPath, above: tuple[int, ...]) -> Any:
        self.lines.setdefault(at, node.start_mark.line + 1)
        if id(node) in above:
            self._fail(node, "a YAML alias that contains itself", "Write the value out instead of '*alias'.")
        above = (*above, id(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, at, above)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*at, i), above) for i, item in enumerate(node.value)]
        if node.tag not in _SCALARS:
            self._fail(node, f"the YAML tag {node.tag!r} is not supported here", "Write plain text or a number.")
        value: str = node.value
        return _SCALARS[node.tag](value.lower() if node.tag.endswith("float") else value)

    def _mapping(self, node: yaml.MappingNode, at: KeyPath, above: tuple[int, ...]) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._fail(key, "a key must be plain text", "Put it in quotes if it contains brackets or a colon.")
            if key.value in data:
                first = self.lines[(*at, key.value)]
                self._fail(key, f"the key {key.value!r} is repeated (first on line {first})", "Keep one of the two.")
            self.lines[(*at, key.value)] = key.start_mark.line + 1
            data[key.value] = self.build(value, (*at, key.value), above)
        return data

    def _fail(self, node: yaml.Node, what: str, cure: str) -> NoReturn:
        raise self.error(what, where=self.path, line=node.start_mark.line + 1, cure=cure)


def _explain(model: type[BaseModel], fault: Any, at: KeyPath) -> tuple[str, str | None]:
    name = ".".join(str(part) for part in at) or "the file"
    kind: str = fault["type"]
    if kind == "extra_forbidden":
        known = _fields_at(model, at[:-1])
        return f"unknown key {str(at[-1])!r}", did_you_mean(str(at[-1]), known)
    if kind == "missing" and isinstance(at[-1], str):
        return f"the key {str(at[-1])!r} is missing", f"Add '{at[-1]}: ...'."
    if kind == "value_error" and not at:  # a sentence about several keys, which it names
        return _plain(fault), None
    if kind == "missing":  # of a list of so many values
        name = ".".join(str(part) for part in at[:-1])
    message = _plain(fault)
    got = fault.get("input")
    if kind == "value_error" and isinstance(got, dict):  # a sentence about several of its keys
        return f"{name}: {message}", None
    if isinstance(got, str) and len(got) > _SHOWN:
        got = got[:_SHOWN] + "..."
    shown = f" (got {got!r})" if isinstance(got, str | int | float | bool | None) else f" (got {_kind(got)})"
    return f"{name}: {message[:1].lower()}{message[1:]}{shown}", None


_MAPPING, _LIST = "must be a mapping: 'key: value'", "must be a list: [a, b]"
_NEEDED = {
    **dict.fromkeys(("int_type", "int_parsing", "int_parsing_size", "int_from_float"), "must be a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "must be a number"),
    "finite_number": "must be a finite number",
    **dict.fromkeys(("bool_type", "bool_parsing"), "must be true or false"),
    "string_type": "must be text",
    "string_too_short": "is too short",
    **dict.fromkeys(("dict_type", "mapping_type", "model_type", "model_attributes_type"), _MAPPING),
    **dict.fromkeys(("list_type", "tuple_type"), _LIST),
    "missing": "has too few values",
    "too_short": "has too few values",
    "too_long": "has too many values",
}
"""In plain words, what pydantic's kinds of faults ask for; the other kinds have plain words of their own."""


def _plain(fault: Any) -> str:
    """What is wrong with a value."""
    found = _NEEDED.get(fault["type"])
    return found or str(fault["msg"]).removeprefix("Value error, ").replace("Input should be", "must be", 1)


def _fields_at(model: type[BaseModel], at: KeyPath) -> list[str]:
    """Names of the fields of the (nested) model that a key path leads to, as far as it can be followed."""
    current: Any = model
    for part in at:
        info = getattr(current, "model_fields", {}).get(part)
        if info is None:
            continue
        current = _model_in(info.annotation) or info.annotation
    return list(getattr(current, "model_fields", {}))


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model that a field holds, perhaps in tuples or beside None."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_in(inner) for inner in getattr(annotation, "__args__", ()))
    return next((model for model in found if model is not None), None)


def _kind(value: Any) -> str:
    names = {dict: "a mapping", list: "a list", str: "text", bool: "true/false", int: "a number", float: "a number"}
    return "nothing" if value is None else names.get(type(value), type(value).__name__)

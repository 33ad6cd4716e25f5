"""JSON Schemas of the YAML files, so that editors can complete and check them.

    # yaml-language-server: $schema=../schema/mapping.schema.json

They come from the pydantic models that read the files, so keys, types, ranges and descriptions are stated once. Where
a model leaves a value open because labelforge checks it itself (the nesting of a tree, the facts about nodes, label
expressions), its grammar is added here. A schema sees one file; only labelforge can check what depends on another (node
names in a mapping, native labels).

The shipped copies are in ``taxonomies/schema/``; ``labelforge taxonomy schema`` prints them.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

from labelforge.dataset_file import DatasetFile
from labelforge.files import json_text
from labelforge.label_space import LabelSpaceFile
from labelforge.mapping import MappingFile
from labelforge.treefile import MAX_CHILDREN, RESERVED_NAMES, NodeFacts, TreeFile

Kind = Literal["tree", "mapping", "label-space", "dataset"]
"""The kinds of YAML files."""

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_MODELS: dict[Kind, type[BaseModel]] = {
    "tree": TreeFile,
    "mapping": MappingFile,
    "label-space": LabelSpaceFile,
    "dataset": DatasetFile,
}
Schema = dict[str, Any]


_NAME: Schema = {
    "description": "A node's name.",
    "type": "string",
    # Printable, no slash, no space at its ends: as treefile checks it, as far as a pattern can say.
    "pattern": r"^[^/\s\u0000-\u001f\u007f]([^/\u0000-\u001f\u007f]*[^/\s\u0000-\u001f\u007f])?$",
    "not": {"enum": list(RESERVED_NAMES)},
}
_BELOW: Schema = {
    "description": "What a node is divided into; nothing for a leaf.",
    "anyOf": [
        {"type": "null"},
        {
            "type": "array",
            "description": "A list of leaves.",
            "items": {"$ref": "#/$defs/Name"},
            "minItems": 1,
            "maxItems": MAX_CHILDREN,
            "uniqueItems": True,
        },
        {
            "type": "object",
            "description": "Nodes, each with what it is divided into.",
            "propertyNames": {"$ref": "#/$defs/Name"},
            "additionalProperties": {"$ref": "#/$defs/Below"},
            "minProperties": 1,
            "maxProperties": MAX_CHILDREN,
        },
    ],
}
_NODES: Schema = {
    "type": "array",
    "description": "Nodes, by unique name or path.",
    "items": {"type": "string", "minLength": 1},
    "minItems": 1,
    "uniqueItems": True,
}
_EXPRESSION: Schema = {
    "description": "What a native label means: a node, 'ignore', {ignore: reason} or {any: [nodes], except: [nodes]}.",
    "anyOf": [
        {"type": "string", "minLength": 1, "description": "A node, by unique name or path; or ignore."},
        {
            "type": "object",
            "description": "The label is never used, and why.",
            "properties": {"ignore": {"type": "string", "pattern": r"\S", "description": "The reason."}},
            "required": ["ignore"],
            "additionalProperties": False,
        },
        {
            "type": "object",
            "description": "A union of nodes, less some.",
            "properties": {"any": {"$ref": "#/$defs/Nodes"}, "except": {"$ref": "#/$defs/Nodes"}},
            "required": ["any"],
            "additionalProperties": False,
        },
    ],
}
_PATH: Schema = {
    "description": "A path below the folder of the file, with '/' between folders.",
    "type": "string",
    "pattern": r"^(?![/~])(?!.*(^|/)\.\.(/|$))[^\\\u0000]*\S[^\\\u0000]*$",
}
_PATHS: Schema = {
    "anyOf": [{"$ref": "#/$defs/Path"}, {"type": "array", "items": {"$ref": "#/$defs/Path"}, "minItems": 1}]
}
_COLOR: Schema = {
    "description": "RGB: three numbers from 0 to 255, or '#rrggbb'.",
    "anyOf": [
        {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 255}, "minItems": 3, "maxItems": 3},
        {"type": "string", "pattern": "^#[0-9a-fA-F]{6}$"},
    ],
}
_CLASS: Schema = {
    "description": "A class: its name, or {id, name, color}.",
    "anyOf": [
        {"type": "string", "pattern": r"\S"},
        {
            "type": "object",
            "properties": {
                "id": {"type": "integer", "description": "The value in label files; default: its place in the list."},
                "name": {"type": "string", "pattern": r"\S", "description": "The class's name."},
                "color": {"$ref": "#/$defs/Color", "description": "Its colour; of rgb masks, the one in label files."},
            },
            "required": ["name"],
            "additionalProperties": False,
        },
    ],
}
_SPLITS: Schema = {
    "anyOf": [
        {"type": "object", "additionalProperties": {"type": "string", "minLength": 1}, "minProperties": 1},
        {
            "type": "object",
            "additionalProperties": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
            "minProperties": 1,
        },
    ],
    "propertyNames": {"pattern": "^[A-Za-z0-9][A-Za-z0-9._-]*$"},
}


def json_schema(kind: Kind) -> Schema:
    """The JSON Schema (draft 2020-12) of one kind of YAML file."""
    made = _MODELS[kind].model_json_schema()
    defs = made.pop("$defs", {})
    fields = made["properties"]
    if kind == "tree":
        fields["tree"] |= {
            "minProperties": 1,
            "maxProperties": 1,
            "propertyNames": {"$ref": "#/$defs/Name"},
            "additionalProperties": {"$ref": "#/$defs/Below", "not": {"type": "null"}},
        }
        fields["nodes"] |= {"additionalProperties": {"$ref": "#/$defs/NodeFacts"}}
        defs |= {"NodeFacts": NodeFacts.model_json_schema(), "Name": _NAME, "Below": _BELOW}
    elif kind == "mapping":
        fields["labels"] |= {"additionalProperties": {"$ref": "#/$defs/Expression"}}
        defs |= {"Expression": _EXPRESSION, "Nodes": _NODES}
    elif kind == "dataset":
        fields["images"] |= _PATHS
        fields["labels"] |= _PATHS
        fields["splits"] |= _SPLITS
        fields["classes"] |= {
            "anyOf": [{"$ref": "#/$defs/Path"}, {"type": "array", "items": {"$ref": "#/$defs/Class"}, "minItems": 1}]
        }
        void = {"anyOf": [{"type": ["integer", "string"]}, {"$ref": "#/$defs/Color"}]}
        fields["void"] |= {"anyOf": [*void["anyOf"], {"type": "array", "items": void, "minItems": 1}, {"type": "null"}]}
        defs |= {"Path": _PATH, "Class": _CLASS, "Color": _COLOR}
    return {"$schema": DIALECT, **_without_titles(made), "title": f"labelforge {kind}", "$defs": _without_titles(defs)}


def _without_titles(value: Any) -> Any:
    """A schema without pydantic's titles, which only repeat the keys and hide the descriptions in editors."""
    if isinstance(value, list):
        return [_without_titles(item) for item in value]
    if isinstance(value, dict):
        return {k: _without_titles(item) for k, item in value.items() if k != "title" or not isinstance(item, str)}
    return value


def schema_text(kind: Kind) -> str:
    """The schema as the text of its file."""
    return json_text(json_schema(kind))

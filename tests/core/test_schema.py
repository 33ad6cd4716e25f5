"""JSON Schemas: valid, shipped as generated, true to what labelforge reads and refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest
from hypothesis import given, settings

from labelforge.errors import TaxonomyError
from labelforge.schema import Kind, json_schema, schema_text
from labelforge.taxonomy import Taxonomy, shipped_folder
from labelforge.yamlfile import YamlFile
from tests.core import test_mapping, test_own_dataset, test_taxonomy
from tests.core.random_trees import World, trees, worlds

SHIPPED = sorted(shipped_folder().rglob("*.yaml"))


def kind_of(path: Path) -> Kind:
    """Which kind of file a shipped YAML file is."""
    if path.parent.name == "label_spaces":
        return "label-space"
    return "tree" if path.name == "tree.yaml" else "mapping"


def accepts(kind: Kind, data: Any) -> bool:
    """Whether the schema has nothing to say against some data."""
    return bool(jsonschema.Draft202012Validator(json_schema(kind)).is_valid(data))


@pytest.mark.parametrize("kind", get_args(Kind))
def test_a_schema_is_one_and_every_key_says_what_it_is(kind: Kind) -> None:
    made = json_schema(kind)
    jsonschema.Draft202012Validator.check_schema(made)
    assert made["additionalProperties"] is False
    blocks = [made, *(d for d in made["$defs"].values() if "properties" in d)]
    assert all(field.get("description") for block in blocks for field in block["properties"].values())


@pytest.mark.parametrize("kind", get_args(Kind))
def test_the_shipped_schema_is_the_generated_one(kind: Kind) -> None:
    shipped = shipped_folder() / "schema" / f"{kind}.schema.json"
    again = f"labelforge taxonomy schema {kind} -o {shipped.name}"
    assert shipped.read_text(encoding="utf-8") == schema_text(kind), f"make it again: {again}"


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_shipped_files_name_their_schema_and_fulfil_it(path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    named = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
    assert named, f"the first line does not name the schema: {first}"
    content = json.loads((path.parent / named[1]).read_text(encoding="utf-8"))
    assert content == json_schema(kind_of(path))
    jsonschema.Draft202012Validator(content).validate(YamlFile.load(path).data)


@given(trees())
@settings(max_examples=40)
def test_trees_that_labelforge_reads_fulfil_the_schema(tree: Taxonomy) -> None:
    assert accepts("tree", tree.to_dict())


@given(worlds())
@settings(max_examples=60)
def test_expressions_that_labelforge_reads_fulfil_the_schema(world: World) -> None:
    labels = {f"l{i}": expression for i, expression in enumerate(world.expressions)}
    assert accepts("mapping", {"dataset": "random", "supervision": world.mapping.supervision, "labels": labels})


# What no schema of one file can see: names that only tree or label space know, and what takes two places to compare.
ONLY_LABELFORGE = {
    "tree": {
        "fact of an ambiguous node",
        "fact of an unknown node",
        "facts twice",
        "id taken twice",
        "mirror ambiguous",
        "mirror is inner",
        "mirror of an inner node",
        "mirror unknown",
    },
    "mapping": {
        "ambiguous name",
        "another tree",
        "empty set",
        "except outside",
        "unknown label",
        "unknown node",
        "unknown space",
        "unmapped label",
    },
    "label-space": {"id twice", "name twice"},
    "dataset": {
        "brackets",
        "classes file",
        "drive",
        "format of another kind",
        "id twice",
        "name twice",
        "no colours",
        "no key",
        "overlaps of masks",
        "placeholder",
        "shipped name",
        "split in one",
        "split leaves",
        "split of labels alone",
        "stars",
        "void is a class",
        "void is text",
        "void twice",
        "void twice by name",
        "one void is a class",
        "one void is no class",
        "one void is a colour",
        "all is void",
        "void is long",
    },
}
BROKEN: dict[Kind, dict[str, str]] = {
    "tree": {n: test_taxonomy.SMALL.replace(old, new, 1) for n, (old, new, *_) in test_taxonomy.FAULTS.items()},
    "mapping": {n: test_mapping.MAPPING.replace(old, new, 1) for n, (old, new, *_) in test_mapping.FAULTS.items()},
    "label-space": {n: test_mapping.SPACE.replace(o, new, 1) for n, (o, new, *_) in test_mapping.SPACE_FAULTS.items()},
    "dataset": {n: test_own_dataset.DATASET.replace(o, new, 1) for n, (o, new, *_) in test_own_dataset.FAULTS.items()},
}


@pytest.mark.parametrize("kind", get_args(Kind))
def test_broken_files_fail_the_schema_too(kind: Kind) -> None:
    passed = set()
    for fault, text in BROKEN[kind].items():
        try:
            data = YamlFile.parse(text).data
        except TaxonomyError:
            continue  # no YAML at all, or a repeated key: the editor's parser refuses it
        if accepts(kind, data):
            passed.add(fault)
    assert passed == ONLY_LABELFORGE[kind]


def test_the_unbroken_files_fulfil_it() -> None:
    assert accepts("tree", YamlFile.parse(test_taxonomy.SMALL).data)
    assert accepts("mapping", YamlFile.parse(test_mapping.ACCEPTED).data)
    assert accepts("label-space", YamlFile.parse(test_mapping.SPACE).data)
    assert accepts("dataset", YamlFile.parse(test_own_dataset.DATASET).data)


def test_broken_acknowledgements_fail_it() -> None:
    passed = {
        fault
        for fault, (old, new, _) in test_mapping.ACCEPTED_FAULTS.items()
        if accepts("mapping", YamlFile.parse(test_mapping.ACCEPTED.replace(old, new, 1)).data)
    }
    assert passed == {"leaf", "twice", "unknown label", "unknown label of an overlap", "unknown node"}

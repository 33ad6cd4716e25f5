"""The interactive page: its data is the tree, its list is accessible, and no name can break out of its place."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any

import pytest

from labelforge.drawing import Survey, draw_html
from labelforge.palette import hex_color
from tests.core.drawing_samples import CLOSING, HOSTILE, TOY, hostile, shipped, toy
from tests.core.html_reader import Reader


def page_data(page: Reader) -> dict[str, Any]:
    (element,) = page.all("script", id="data")
    assert not set("<>&") & set(element["text"]), "nothing that HTML could read as markup"
    data: dict[str, Any] = json.loads(element["text"])
    return data


@pytest.mark.parametrize("drawn", [toy(), hostile(), shipped("streets"), Survey.of(TOY, [])])
def test_the_data_is_the_tree(drawn: Survey) -> None:
    data = page_data(Reader(draw_html(drawn)))
    tree = drawn.tree
    assert data["name"] == tree.name
    assert [d["name"] for d in data["datasets"]] == [d.name for d in drawn.datasets]
    assert len(data["nodes"]) == len(tree.nodes)
    for node, found in zip(tree.nodes, data["nodes"], strict=True):
        summary = drawn.nodes[node.index]
        expected = {
            "name": node.name,
            "path": node.path,
            "parent": node.parent,
            "children": list(node.children),
            "depth": node.depth,
            "leaves": len(node.leaves),
            "id": node.class_id,
            "color": hex_color(node.color),
            "shape": node.shape,
            "mirror": node.mirror,
            "signals": list(summary.signals),
            "pixels": list(summary.pixels),
        }
        assert expected.items() <= found.items()
        for key, positions in (("labels", summary.labels), ("wider", summary.wider)):
            names = [data["labels"][i]["name"] for i in found[key]]
            assert names == [drawn.labels[i].name for i in positions]


@pytest.mark.parametrize("drawn", [toy(), hostile(), shipped("iv2018", counted=True)])
def test_the_list_is_an_aria_tree(drawn: Survey) -> None:
    page = Reader(draw_html(drawn))
    items = page.all("li", role="treeitem")
    assert [item["id"] for item in items] == [f"node-{node.index}" for node in drawn.tree.nodes]
    assert [item["tabindex"] for item in items] == ["0", *["-1"] * (len(items) - 1)], "one stop for the Tab key"
    for node, item in zip(drawn.tree.nodes, items, strict=True):
        assert item["aria-level"] == str(node.depth + 1)
        assert ("aria-expanded" in item) == bool(node.children)
        assert item["aria-label"].startswith(node.name)
        group = page.elements[item["parent"]]
        assert group["role"] == ("tree" if node.parent is None else "group")
        if node.parent is not None:
            assert page.elements[group["parent"]]["id"] == f"node-{node.parent}"
    names = [e["text"] for e in page.all("span", class_="name")]
    assert names == [node.name for node in drawn.tree.nodes]


def test_rows_say_and_show_the_supervision() -> None:
    page = Reader(draw_html(toy()))
    spoken = {item["id"]: item["aria-label"] for item in page.all("li", role="treeitem")}
    assert spoken["node-2"] == "road; class 7; 1000 pixels; dense: pixels"
    assert spoken["node-7"] == "car; class 12; 30 pixels; dense: pixels, coarse: partial"
    assert spoken["node-5"] == "stop; class 1; 0 pixels; boxed: boxes"
    assert spoken["node-0"] == "scene; 3 children; 71234 pixels"
    rows = {int(item["id"][5:]): i for i, item in enumerate(page.elements) if item.get("role") == "treeitem"}
    marks = [e for e in page.elements if re.fullmatch("m[0-3]", e.get("class") or "")]

    def owner(element: dict[str, Any]) -> int | None:
        while element["parent"] is not None:
            if element["parent"] in rows.values():
                return next(n for n, i in rows.items() if i == element["parent"])
            element = page.elements[element["parent"]]
        return None

    shown = {n: [mark["class"] for mark in marks if owner(mark) == n] for n in rows}
    assert shown == {0: []} | {n: [f"m{s}" for s in toy().nodes[n].signals] for n in rows if n}


@pytest.mark.parametrize("drawn", [hostile(), shipped("streets", counted=True)])
def test_the_page_needs_and_may_reach_nothing_else(drawn: Survey) -> None:
    text = draw_html(drawn)
    page = Reader(text)
    for element in page.elements:
        for key in ("src", "href", "action", "srcset", "xlink:href", "formaction"):
            assert (element.get(key) or "#").startswith(("#", "data:"))
    (policy,) = page.all("meta", **{"http-equiv": "Content-Security-Policy"})
    scripts = [e for e in page.all("script") if e.get("type") != "application/json"]
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0]["text"].encode()).digest()).decode()
    assert policy["content"] == (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; " + f"script-src 'sha256-{digest}'"
    )
    assert not re.search(
        r"@import|url\(|fetch\(|XMLHttpRequest|innerHTML|document\.write|eval\(", text.split("<body")[0]
    )
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b", scripts[0]["text"])
    assert not [key for element in page.elements for key in element if key.startswith("on")]


def test_hostile_names_stay_text() -> None:
    page = Reader(draw_html(hostile()))
    assert len(page.all("script")) == 2
    titles = [e["title"] for e in page.all("div", class_="row")]
    assert [title.split("/")[-1] for title in titles[2:-1]] == list(HOSTILE[1:])
    data = page_data(page)
    assert data["datasets"][0]["name"] == CLOSING
    assert CLOSING in [label["name"] for label in data["labels"]]
    (chip,) = page.all("button", class_="chip")
    assert CLOSING in chip["title"]
    assert any(CLOSING in e["text"] for e in page.all("span")), "the reason of an ignored label"


def test_references_between_elements_hold() -> None:
    page = Reader(draw_html(shipped("iv2018")))
    ids = [e["id"] for e in page.elements if "id" in e]
    assert len(set(ids)) == len(ids)
    for element in page.elements:
        for key in ("aria-labelledby", "aria-describedby", "for"):
            assert element.get(key) is None or element[key] in ids
    headings = [e["tag"] for e in page.elements if re.fullmatch("h[1-6]", e["tag"])]
    assert headings[0] == "h1" and set(headings[1:]) == {"h2"}


def test_the_page_is_the_same_every_time() -> None:
    assert draw_html(hostile()) == draw_html(hostile())


def test_open_levels_fill_a_screen_and_no_more() -> None:
    for drawn, open_depth in ((toy(), 2), (shipped("iv2018"), 1), (shipped("streets"), 2)):
        page = Reader(draw_html(drawn))
        opened = [e["aria-level"] for e in page.all("li", role="treeitem") if e.get("aria-expanded") == "true"]
        assert max(map(int, opened)) == open_depth

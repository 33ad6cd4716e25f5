"""SVG, PNG, Graphviz and Mermaid: complete, well formed, safe with any name, the same bytes every time."""

from __future__ import annotations

import io
import itertools
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from labelforge.drawing import Survey, draw_dot, draw_mermaid, draw_png, draw_svg
from labelforge.drawing.layout import Box, lay_out
from labelforge.palette import hex_color
from labelforge.supervision import Signal
from tests.core.drawing_samples import CLOSING, HOSTILE, TOY, hostile, shipped, toy

SVG = "{http://www.w3.org/2000/svg}"
MARKS: dict[Signal, list[tuple[str, str | None]]] = {
    Signal.FROM_PIXELS: [("circle", "3.2")],
    Signal.FROM_BOX: [("rect", None)],
    Signal.PARTIAL: [("circle", "2.8"), ("path", None)],
    Signal.NOTHING: [("circle", "0.9")],
}
"""Elements, and their radii, that stand for a signal."""
NAMES = ["toy", "hostile", "iv2018", "iv2018 counted", "streets"]


def sample(name: str) -> Survey:
    if name in ("toy", "hostile"):
        return {"toy": toy, "hostile": hostile}[name]()
    return shipped(name.removesuffix(" counted"), counted=name.endswith("counted"))


def node_groups(drawn: Survey) -> list[ET.Element]:
    root = ET.fromstring(draw_svg(drawn))
    return [group for group in root.iter(f"{SVG}g") if group.get("class") == "node"]


@pytest.mark.parametrize("name", NAMES)
def test_svg_has_every_node_with_its_name_colour_and_signals(name: str) -> None:
    drawn = sample(name)
    groups = node_groups(drawn)
    assert [group.get("data-path") for group in groups] == [node.path for node in drawn.tree.nodes]
    for node, group in zip(drawn.tree.nodes, groups, strict=True):
        texts = ["".join(text.itertext()) for text in group.iter(f"{SVG}text")]
        assert texts[0].startswith(f"{node.name} ({len(node.children)})" if node.children else node.name)
        first = group.find(f"{SVG}rect")
        assert first is not None and first.get("fill") == hex_color(node.color)
        marks = [child for child in group if child.tag != f"{SVG}title"][2:]
        tags = [(mark.tag.removeprefix(SVG), mark.get("r")) for mark in marks]
        tags = [tag for tag in tags if tag[0] not in ("line", "text")]
        signals = drawn.nodes[node.index].signals if node.parent is not None else ()
        assert tags == [tag for signal in signals for tag in MARKS[signal]]


@pytest.mark.parametrize("name", NAMES)
def test_svg_is_tidy(name: str) -> None:
    """Leaves stand in order in rows of their own, children right of their parent, and nothing outside the picture."""
    drawn = sample(name)
    drawing = lay_out(drawn)
    boxes = [next(shape for shape in shapes if isinstance(shape, Box)) for shapes in drawing.nodes]
    rows = [boxes[leaf.index].y for leaf in drawn.tree.leaves]
    assert all(below - above > 13.999 for above, below in itertools.pairwise(rows))
    for node in drawn.tree.nodes[1:]:
        parent = boxes[node.parent or 0]
        assert boxes[node.index].x > parent.x + parent.width
    root = ET.fromstring(draw_svg(drawn))
    width, height = float(root.get("width", "0")), float(root.get("height", "0"))
    for element in root.iter():
        for key, limit in (("x", width), ("cx", width), ("x2", width), ("y", height), ("cy", height), ("y2", height)):
            assert 0 <= float(element.get(key, "1")) <= limit
        for x, y in re.findall(r"[ML]([\d.]+),([\d.]+)", element.get("d", "")):
            assert 0 <= float(x) <= width and 0 <= float(y) <= height


def test_inner_nodes_do_not_touch_each_other() -> None:
    drawing = lay_out(shipped("streets", counted=True))
    nodes = drawing.survey.tree.nodes
    boxes = [next(s for s in shapes if isinstance(s, Box)) for shapes in drawing.nodes]
    for node, box in zip(nodes, boxes, strict=True):
        for other, second in zip(nodes[: node.index], boxes[: node.index], strict=True):
            if other.depth == node.depth:
                # 10 below a name for its marks
                room = (box.height + second.height) / 2 + (10 if other.children and other.parent is not None else 0)
                assert abs(box.y - second.y) >= room - 3.5, (node.path, other.path)


def test_svg_holds_counts_and_no_reference_to_elsewhere() -> None:
    text = draw_svg(toy())
    assert ">flat (2) 1.20k<" in text and ">1.00k<" in text
    assert re.findall(r"(?:href|src|url)\b", text) == []
    assert re.findall(r"https?://[^\"]*", text) == ["http://www.w3.org/2000/svg"]


@pytest.mark.parametrize("name", ["toy", "hostile", "iv2018 counted"])
def test_every_format_gives_the_same_bytes_twice(name: str) -> None:
    for draw in (draw_svg, draw_png, draw_dot, draw_mermaid):
        assert draw(sample(name)) == draw(sample(name))


def test_png_is_the_layout_twice_as_large() -> None:
    drawn = toy()
    drawing = lay_out(drawn)
    picture = Image.open(io.BytesIO(draw_png(drawn)))
    assert picture.size == (2 * drawing.width, 2 * drawing.height)
    pixels = np.asarray(picture.convert("RGB"))
    for node, shapes in zip(drawn.tree.nodes, drawing.nodes, strict=True):
        box = next(shape for shape in shapes if isinstance(shape, Box))
        # Left of the text in an inner node's box, the middle of a leaf's square.
        x = box.x + (3 if node.children else box.width / 2)
        assert tuple(pixels[round(2 * box.y), round(2 * x)]) == node.color
    assert (pixels[0] == 255).all() and (pixels[-1] == 255).all() and (pixels[:, -1] == 255).all()
    assert (pixels < 60).all(axis=2).sum() > 500  # there is text


def test_dot_has_a_node_and_an_edge_for_each() -> None:
    drawn = toy()
    text = draw_dot(drawn)
    assert text.startswith('digraph "toy" {\n') and text.endswith("}\n")
    assert 'n2 [label="road 1.00k\\lpixels a\\l", tooltip="flat/road; dense: pixels", fillcolor="#804080"' in text
    edges = [tuple(map(int, edge)) for edge in re.findall(r"^  n(\d+) -> n(\d+);$", text, re.MULTILINE)]
    assert edges == [(node.parent, node.index) for node in TOY.nodes[1:]]


@pytest.mark.skipif(shutil.which("dot") is None, reason="needs Graphviz")
@pytest.mark.parametrize("name", ["toy", "hostile", "iv2018"])
def test_graphviz_reads_the_names_as_they_are(name: str) -> None:
    drawn = sample(name)
    done = subprocess.run(["dot", "-Tsvg"], input=draw_dot(drawn).encode(), capture_output=True, check=True)
    assert done.stderr == b""
    groups = [group for group in ET.fromstring(done.stdout).iter(f"{SVG}g") if group.get("class") == "node"]
    assert len(groups) == len(drawn.tree.nodes)
    for group in groups:
        title = group.find(f"{SVG}title")
        assert title is not None and title.text is not None
        node = drawn.tree.nodes[int(title.text[1:])]
        shown = "".join(next(group.iter(f"{SVG}text")).itertext()).replace("\N{NO-BREAK SPACE}", " ")
        assert shown.startswith(node.name)


def mermaid_label(text: str) -> str:
    """What Mermaid shows for an escaped label."""
    return re.sub(r"#(\d+);", lambda found: chr(int(found[1])), text)


@pytest.mark.parametrize("name", NAMES)
def test_mermaid_is_a_flowchart_of_all_nodes(name: str) -> None:
    drawn = sample(name)
    text = draw_mermaid(drawn)
    assert len(text) < 50_000 and len(drawn.tree.nodes) < 500, "more is refused by viewers"
    comments, chart = text.split("flowchart LR\n")
    assert all(line.startswith("%%") for line in comments.splitlines())
    assert comments.count("%%{") == 1
    nodes: dict[int, tuple[int | None, str]] = {}
    colors: dict[str, str] = {}
    classes: dict[int, str] = {}
    for line in chart.splitlines():
        if found := re.fullmatch(r'(?:n(\d+) --- )?n(\d+)\["([\w \-.,:/()+#;<>]*)"\]', line):
            parent = int(found[1]) if found[1] else None
            nodes[int(found[2])] = (parent, mermaid_label(found[3].split("<br>")[0]))
        elif found := re.fullmatch(r"classDef (c\d+) fill:(#[0-9a-f]{6}),color:#(?:000000|ffffff)", line):
            colors[found[1]] = found[2]
        elif found := re.fullmatch(r"class (n\d+(?:,n\d+)*) (c\d+)", line):
            classes |= {int(node[1:]): found[2] for node in found[1].split(",")}
        else:
            pytest.fail(f"no statement of a flowchart: {line}")
    assert list(nodes) == list(range(len(drawn.tree.nodes)))
    for node in drawn.tree.nodes:
        parent, label = nodes[node.index]
        assert parent == node.parent
        assert label.startswith(node.name)
        assert colors[classes[node.index]] == hex_color(node.color)


def test_hostile_names_stay_text() -> None:
    drawn = hostile()
    svg = draw_svg(drawn)
    assert "<script" not in svg
    shown = ["".join(t.itertext()) for group in node_groups(drawn) for t in group.iter(f"{SVG}text")]
    assert all(any(text.startswith(name) for text in shown) for name in HOSTILE)
    assert any(CLOSING in "".join(text.itertext()) for text in ET.fromstring(svg).iter(f"{SVG}text"))
    assert '"' not in "".join(re.findall(r'\["(.*)"\]', draw_mermaid(drawn)))
    assert draw_png(drawn).startswith(b"\x89PNG")


def test_a_tree_without_datasets_has_no_matrix() -> None:
    drawn = Survey.of(TOY, [])
    assert "circle" not in draw_svg(drawn) and "pixels" not in draw_dot(drawn)
    assert draw_mermaid(drawn).count('["') == len(TOY.nodes)
    assert draw_png(drawn)

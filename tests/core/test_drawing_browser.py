"""The interactive page used as a reader uses it: in a real browser, with mouse, keys and search."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from labelforge.drawing import Survey, draw_html
from tests.core.browser import chromium, complaints, emulate
from tests.core.drawing_samples import HOSTILE, TOY, hostile, shipped, toy

if TYPE_CHECKING:
    from selenium.webdriver import Chrome


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with chromium(tmp_path_factory.mktemp("profile")) as found:
        yield found


class Visit:
    """A page that is open."""

    def __init__(self, browser: Chrome, folder: Path, drawn: Survey, **wishes: Any) -> None:
        self.browser, self.drawn = browser, drawn
        file = folder / "tree.html"
        file.write_text(draw_html(drawn), encoding="utf-8")
        emulate(browser, **wishes)
        browser.get("about:blank")
        browser.get(file.as_uri())

    def js(self, script: str, *arguments: Any) -> Any:
        return self.browser.execute_script(f"return {script}", *arguments)

    def index(self, name: str) -> int:
        return self.drawn.tree.node(name).index

    def click(self, selector: str) -> None:
        self.browser.find_element("css selector", selector).click()

    def click_arc(self, name: str) -> None:
        """Click the middle of an arc: the middle of its bounding box may lie outside of it."""
        at = self.js(
            """(() => {
                const arc = document.querySelector(`path[data-node="${arguments[0]}"]`);
                const [a, b] = [0.18, 0.32].map((share) => arc.getPointAtLength(arc.getTotalLength() * share));
                const inside = arc.ownerSVGElement.createSVGPoint();
                const box = arc.getBBox();
                for (let k = 0; k < 4000; k++) {
                    inside.x = box.x + (k % 63 + 0.5) / 63 * box.width;
                    inside.y = box.y + (Math.floor(k / 63) + 0.5) / 64 * box.height;
                    if (!arc.isPointInFill(inside)) continue;
                    const point = inside.matrixTransform(arc.getScreenCTM());
                    if (document.elementFromPoint(point.x, point.y) === arc) return [point.x, point.y];
                }
                return null;
            })()""",
            self.index(name),
        )
        assert at is not None, f"the arc of {name} cannot be clicked"
        for kind in ("mousePressed", "mouseReleased"):
            event = {"type": kind, "x": at[0], "y": at[1], "button": "left", "clickCount": 1}
            self.browser.execute_cdp_cmd("Input.dispatchMouseEvent", event)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.browser.switch_to.active_element.send_keys(key)

    def selected(self) -> str:
        """Name of the node selected in the list; the sunburst and the details must agree."""
        (item,) = self.js("[...document.querySelectorAll('[aria-selected=true]')].map((e) => Number(e.id.slice(5)))")
        (arc,) = self.js("[...document.querySelectorAll('path.picked')].map((e) => Number(e.dataset.node))")
        title: str = self.js("document.querySelector('#details h3').textContent")
        assert item == arc
        assert self.drawn.tree.nodes[item].name == title
        return title

    def focused(self) -> str:
        number: int = self.js("Number(document.activeElement.id.slice(5))")
        return self.drawn.tree.nodes[number].name

    def listed(self) -> list[str]:
        """Names of the rows that are on show."""
        found: list[str] = self.js(
            "[...document.querySelectorAll('.name')].filter((e) => e.offsetParent).map((e) => e.textContent)"
        )
        return found

    def crumbs(self) -> list[str]:
        found: list[str] = self.js("[...document.querySelectorAll('#crumbs button')].map((e) => e.textContent)")
        return found

    def arcs(self) -> dict[str, tuple[float, float]]:
        """Angle and area of every arc on show, by the node's path, from the drawn outline."""
        paths: dict[str, str] = self.js(
            "Object.fromEntries([...document.querySelectorAll('#sun path')].filter((e) => e.style.display !== 'none')"
            ".map((e) => [e.dataset.node, e.getAttribute('d')]))"
        )
        found = {}
        for number, path in paths.items():
            # From a point, along the outer circle to the middle of the arc and on to its end; back along the inner one.
            outline = re.match(r"M(\S+),(\S+)A(\S+),\3 0 0 1 (\S+),([-.\d]+)A.*L[^A]*A([.\d]+),", path)
            assert outline is not None, path
            x0, y0, outer, x1, y1, inner = map(float, outline.groups())
            angle = (math.atan2(x1, -y1) - math.atan2(x0, -y0)) % (2 * math.pi) * 2
            area = angle / 2 * (outer**2 - inner**2)
            found[self.drawn.tree.nodes[int(number)].path] = (angle, area)
        return found


@pytest.fixture
def open_page(browser: Chrome, tmp_path: Path) -> Iterator[Any]:
    """Opens pages, and fails if one of them made the browser complain."""
    yield lambda drawn, **wishes: Visit(browser, tmp_path, drawn, **wishes)
    assert complaints(browser) == []


def test_arcs_are_in_proportion_to_pixels_or_leaves(open_page: Any) -> None:
    page = open_page(shipped("iv2018", counted=True))
    drawn = page.drawn

    def check(weight: Any) -> None:
        arcs = page.arcs()
        whole = weight(drawn.tree.root)
        for node in drawn.tree.nodes[1:]:
            expected = 2 * math.pi * weight(node) / whole
            if expected > 2e-4:  # thinner ones are left out
                assert arcs[node.path][0] == pytest.approx(expected, abs=2e-4)
        broad = [node for node in drawn.tree.nodes if node.depth == 1 and 2 * math.pi * weight(node) / whole > 0.01]
        ratios = [arcs[node.path][1] / weight(node) for node in broad]
        assert len(ratios) > 10
        assert max(ratios) / min(ratios) < 1.02, "areas within a ring"

    check(lambda node: drawn.nodes[node.index].total)
    page.click("[name=size][value=leaves]")
    check(lambda node: len(node.leaves))


def test_without_counts_leaves_decide(open_page: Any) -> None:
    page = open_page(Survey.of(TOY, []))
    assert page.js("document.querySelector('[name=size]')") is None
    angles = {name: round(angle / 2 / math.pi * 5, 3) for name, (angle, _) in page.arcs().items()}
    assert angles == {
        "flat": 2,
        "flat/road": 1,
        "flat/path": 1,
        "sign": 2,
        "sign/stop": 1,
        "sign/give way": 1,
        "car": 1,
    }


def test_the_sunburst_selects_zooms_and_goes_back(open_page: Any) -> None:
    page = open_page(shipped("iv2018"), motion=True)
    assert page.selected() == "scene" and page.crumbs() == ["scene"]
    page.click_arc("traffic sign")
    assert page.selected() == "traffic sign"
    assert page.crumbs() == ["scene", "traffic sign"]
    waited = """new Promise((done) => setTimeout(done, 600))"""
    page.js(waited)
    assert page.arcs()["traffic sign/front"][0] == pytest.approx(2 * math.pi * 43 / 44, abs=1e-3)
    assert "car" not in page.arcs()
    page.click_arc("stop")
    assert page.selected() == "stop" and page.crumbs() == ["scene", "traffic sign"]
    assert "stop" in page.listed(), "its branch of the list opens"
    page.click("#sun .hub")
    page.js(waited)
    assert page.crumbs() == ["scene"] and page.selected() == "scene"
    assert page.arcs()["car"][0] == pytest.approx(2 * math.pi / 107, abs=1e-3)


def test_the_list_selects_in_the_sunburst(open_page: Any) -> None:
    page = open_page(toy())
    page.click(f"#node-{page.index('stop')} .name")
    assert page.selected() == "stop"
    assert "#sign%2Fstop" in page.browser.current_url
    details = page.js("document.getElementById('details').innerText")
    assert "octagon" in details and "no class of the tree" in details
    cells = page.js(
        "[...document.querySelectorAll('#details tbody tr')].map((r) => [...r.cells].map((c) => c.innerText))"
    )
    assert cells == [
        ["dense", "nothing", "0", "", "board (3), 4 px → sign"],
        ["boxed", "boxes", "–", "halt (0) → stop", ""],
    ]
    page.click(f"#node-{page.index('flat')} > .row .twist")
    assert "road" not in page.listed()
    page.browser.refresh()
    assert page.selected() == "stop", "the address remembers"


def test_keys_walk_the_list(open_page: Any) -> None:
    from selenium.webdriver import Keys

    page = open_page(toy())
    page.js("document.getElementById('node-0').focus()")
    page.press(Keys.ARROW_DOWN)
    assert page.focused() == page.selected() == "flat"
    page.press(Keys.ARROW_RIGHT)
    assert page.focused() == "road"
    page.press(Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    assert page.focused() == "flat" and "road" not in page.listed()
    page.press(Keys.ARROW_DOWN)
    assert page.focused() == "sign", "closed branches are passed over"
    page.press(Keys.END)
    assert page.focused() == "car"
    page.press("s")
    assert page.focused() == "scene", "typing goes to the next name that starts so"
    page.press("s")
    assert page.focused() == "sign"
    page.press(Keys.HOME, Keys.ARROW_DOWN, "*")
    assert "road" in page.listed()
    page.press(Keys.ENTER)
    assert page.crumbs() == ["scene", "flat"] and page.focused() == "flat"
    assert set(page.arcs()) == {"flat/road", "flat/path"}
    page.press(Keys.ARROW_UP)
    assert page.focused() == page.selected() == "scene" and page.crumbs() == ["scene"]
    stops = page.js("[...document.querySelectorAll('[role=treeitem]')].filter((e) => e.tabIndex === 0).length")
    assert stops == 1


def test_search_by_name_path_id_and_native_label(open_page: Any) -> None:
    from selenium.webdriver import Keys

    page = open_page(shipped("iv2018"))
    before = page.listed()
    page.press("/")
    assert page.js("document.activeElement.id") == "search"
    page.press(*"lane")
    assert page.js("document.getElementById('found').textContent") == "4 of 112 nodes"
    named = ["bike lane", "service lane", "lane marking crosswalk", "lane marking general"]
    assert page.listed() == ["scene", "driveable", *named]
    assert page.js("[...document.querySelectorAll('mark')].map((e) => e.textContent)") == ["lane"] * 4
    for text, expected in (
        ("Bend L", ["scene", "traffic sign", "front", "bend left"]),
        ("front/stop", ["scene", "traffic sign", "front", "stop"]),
        ("107", ["scene", "traffic sign", "front", "restriction ends (overtaking (trucks))"]),
        ("construction--flat--road", ["scene", "driveable", "road"]),
        ("no such thing", []),
    ):
        page.js("document.getElementById('search').select()")
        page.press(text)
        assert page.listed() == expected, text
    page.js("document.getElementById('search').select()")
    page.press("rider", Keys.ENTER)
    assert page.focused() == page.selected() == "rider", "the very name comes before longer ones"
    page.press("/", Keys.ESCAPE)
    assert page.listed() == before
    assert page.js("document.querySelectorAll('mark').length") == 0


def test_a_dataset_alone(open_page: Any) -> None:
    page = open_page(toy())
    assert page.js("document.querySelectorAll('.dim').length") == 0
    page.click(".chip[data-dataset='0']")
    dimmed = page.js("[...document.querySelectorAll('li.dim')].map((e) => Number(e.id.slice(5)))")
    assert {page.drawn.tree.nodes[i].name for i in dimmed} == {"stop", "give way"}
    angles = {name: angle / 2 / math.pi for name, (angle, _) in page.arcs().items()}
    assert angles["flat"] == pytest.approx(1200 / 1234, abs=1e-3)
    assert "ground" not in angles and angles["car"] == pytest.approx(30 / 1234, abs=1e-3)
    count = page.js("document.querySelector('#node-0 .count').textContent")
    assert count == "1.23k"
    page.click(".chip[data-dataset='0']")
    assert page.js("document.querySelector('#node-0 .count').textContent") == "71.2k"


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("name", ["toy", "hostile", "streets"])
def test_on_a_phone(open_page: Any, name: str, dark: bool) -> None:
    drawn = shipped(name, counted=True) if name == "streets" else {"toy": toy, "hostile": hostile}[name]()
    page = open_page(drawn, width=390, height=844, dark=dark)
    assert page.js("document.documentElement.scrollWidth") == 390, "nothing is wider than the screen"
    paper = re.findall(r"\d+", page.js("getComputedStyle(document.body).backgroundColor"))
    assert (sum(map(int, paper[:3])) < 150) == dark
    sheet = "getComputedStyle(document.getElementById('details')).visibility"
    assert page.js(sheet) == "hidden"
    page.js("document.querySelector('#node-1 .name').scrollIntoView({block: 'center'})")
    page.click("#node-1 .name")
    assert page.js(sheet) == "visible" and page.selected() == drawn.tree.nodes[1].name
    assert page.js("document.getElementById('details').getBoundingClientRect().bottom") <= 844
    page.click("#details .close")
    assert page.js(sheet) == "hidden"


def test_hostile_names_run_nothing(open_page: Any) -> None:
    page = open_page(hostile())
    assert page.js("document.scripts.length") == 2
    for i, name in enumerate(HOSTILE, 1):
        page.js("document.getElementById(arguments[0]).scrollIntoView()", f"node-{i}")
        page.click(f"#node-{i} > .row > .name")
        assert page.selected() == name
    page.press("/", "alert")
    assert page.js("document.querySelectorAll('mark').length") == 1
    assert page.js("document.querySelectorAll('script').length") == 2


def test_without_javascript_the_list_is_all_there(browser: Chrome, open_page: Any) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        page = open_page(shipped("iv2018"))
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    assert len(page.listed()) == 112

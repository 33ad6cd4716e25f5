"""The gallery page used as a reader uses it: in a real browser, with mouse, keys, on a phone and in the dark."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from labelforge.inspection.gallery import gallery_page
from labelforge.shards import ShardReader
from tests.core.browser import chromium, complaints, emulate
from tests.core.gallery_samples import NASTY, nasty, three

if TYPE_CHECKING:
    from selenium.webdriver import Chrome


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with chromium(tmp_path_factory.mktemp("profile")) as found:
        yield found


class Visit:
    """A page that is open."""

    def __init__(self, browser: Chrome, file: Path, place: str = "", **wishes: Any) -> None:
        self.browser = browser
        emulate(browser, **wishes)
        browser.get("about:blank")
        browser.get(file.as_uri() + place)

    def js(self, script: str, *arguments: Any) -> Any:
        return self.browser.execute_script(f"return {script}", *arguments)

    def texts(self, selector: str) -> list[str]:
        """Texts of the elements that are on show."""
        script = "[...document.querySelectorAll(arguments[0])].filter((e) => e.offsetParent).map((e) => e.textContent)"
        found: list[str] = self.js(script, selector)
        return found

    def pick(self, name: str) -> None:
        """Click a label in the list."""
        for choice in self.browser.find_elements("css selector", ".choice"):
            if choice.is_displayed() and name in choice.text.split():
                choice.click()
                return
        raise AssertionError(f"no label {name} is listed")

    def frames(self) -> list[str]:
        return self.texts("#list figcaption b")

    def facts(self) -> str:
        return " ".join(self.texts("#what, #facts"))

    def colors(self, number: int) -> dict[str, int]:
        """Pixels of a frame's label picture by colour, those without one left out."""
        script = """
            const [number, done] = arguments;
            const canvas = document.querySelectorAll('#list canvas')[number];
            const look = () => {
                if (!canvas.dataset.painted) return setTimeout(look, 10);
                const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
                const found = {};
                for (let i = 0; i < data.length; i += 4) {
                    if (data[i + 3]) {
                        const color = [0, 1, 2].map((k) => Math.round(data[i + k] / 16)).join();
                        found[color] = (found[color] ?? 0) + 1;
                    }
                }
                done(found);
            };
            look();
        """
        found: dict[str, int] = self.browser.execute_async_script(script, number)
        return found


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes each page once."""
    folder = tmp_path_factory.mktemp("pages")

    def page(kind: str) -> Path:
        file = folder / f"{kind}.html"
        if not file.exists():
            makers: dict[str, Callable[[Path], list[ShardReader]]] = {"three": three, "nasty": nasty}
            file.write_text(gallery_page(makers[kind](folder / kind), 4), encoding="utf-8")
        return file

    return page


@pytest.fixture
def visit(browser: Chrome, pages: Callable[[str], Path]) -> Iterator[Callable[..., Visit]]:
    """Opens pages, and fails if one of them made the browser complain."""
    yield lambda kind="three", place="", **wishes: Visit(browser, pages(kind), place, **wishes)
    assert complaints(browser) == []


def test_a_label_shows_the_frames_that_hold_most_of_it(visit: Callable[..., Visit]) -> None:
    page = visit()
    assert page.facts().startswith("Frames that differ Pick a label")
    assert len(page.frames()) == 4 + 3 + 3, "four of each folder, or all"
    page.pick("board")
    assert page.frames() == ["f12", "f11", "f10", "f09"]
    assert page.facts() == "board first, id 1 → stop: 78 pixels in 12 of 13 images."
    captions = page.texts("#list figcaption")
    assert captions[0] == "f12 first, val, 40×40, 12 pixels (0.75\u00a0%)"
    assert page.colors(0) == {"16,0,0": 12}, "only what was picked is in colour"
    assert page.js("document.querySelectorAll('#list li:first-child .outline').length") == 2
    box = page.js("document.querySelector('.outline').getBoundingClientRect().width")
    shot = page.js("document.querySelector('.shot').getBoundingClientRect().width")
    assert box == pytest.approx(shot * 12 / 40 + 10, abs=1)
    page.pick("junk")
    assert page.frames() == ["f00", "f01", "f02", "f03"] and "not used: of no use" in page.facts()


def test_before_anything_is_picked_all_labels_are_coloured(visit: Callable[..., Visit]) -> None:
    page = visit()
    number = page.frames().index("f12")
    found = page.colors(number)
    assert found["16,0,0"] == 12 and found["8,4,8"] == 1600 - 12 - 30
    assert 0 < sum(found.values()) - 1600 + 30 < 30, "what is not used is hatched"
    assert set(found) == {"16,0,0", "8,4,8", "0,0,0", "16,16,16"}, "in grey, which no label has"


def test_a_node_shows_all_labels_below_it(visit: Callable[..., Visit]) -> None:
    from selenium.webdriver.support.ui import Select

    page = visit()
    node = Select(page.browser.find_element("id", "node"))
    assert [option.text.strip() for option in node.options] == [
        "the whole tree (6)",
        *("flat (2)", "road (1)", "sign (2)", "stop (1)", "give way (1)", "car (1)"),
    ]
    node.select_by_visible_text(next(option.text for option in node.options if "sign" in option.text))
    assert [text.split()[0] for text in page.texts(".choice .name")] == ["all", "board", "yield"]
    assert page.frames() == ["g3", "f12", "f11", "f10"], "board and yield together, of both datasets"
    assert page.facts() == "sign 2 labels at or below sign: 108 pixels."
    page.pick("yield")
    assert page.frames() == ["g3", "g2", "g1"]
    page.pick("below")
    assert page.frames()[0] == "g3" and page.js("location.hash").startswith("#node-")


def test_the_address_remembers(visit: Callable[..., Visit]) -> None:
    page = visit()
    page.pick("board")
    place = page.js("location.hash")
    again = visit(place=place)
    assert again.frames() == ["f12", "f11", "f10", "f09"]
    assert again.js("document.querySelector('[name=label]:checked').parentElement.innerText").startswith("board")
    assert visit(place="#label-999").facts().startswith("Frames that differ")
    assert visit(place="#node-x").facts().startswith("Frames that differ")


def test_a_label_below_a_frame_can_be_picked(visit: Callable[..., Visit]) -> None:
    page = visit(place="#node-6")
    assert page.facts().startswith("car 1 label at or below car")
    button = next(b for b in page.browser.find_elements("css selector", ".legend button") if "board" in b.text)
    button.click()
    assert page.facts().startswith("board first, id 1")
    assert page.js("document.getElementById('node').value") == "0", "it is not below the node that was chosen"
    assert page.js("document.querySelector('.legend [aria-pressed=true]').textContent").startswith("board")


def test_keys_and_search(visit: Callable[..., Visit]) -> None:
    from selenium.webdriver import ActionChains, Keys

    page = visit()
    page.browser.find_element("id", "search").send_keys("yield")
    assert [text.split()[0] for text in page.texts(".choice .name")] == ["frames", "yield"]
    assert page.texts("#found") == ["1 label found"]
    ActionChains(page.browser).send_keys(Keys.TAB, Keys.ARROW_DOWN).perform()
    assert page.facts().startswith("yield second, id 1"), "arrows move through the list"
    search = page.browser.find_element("id", "search")
    search.send_keys(Keys.CONTROL, "a")
    search.send_keys("SECOND")
    assert {text.split()[0] for text in page.texts(".choice .name")} == {"frames", "ground", "yield", "wide"}
    focusable = "a, button, input, select, summary, [tabindex='0']"
    unnamed = page.js(
        "[...document.querySelectorAll(arguments[0])].filter((e) => e.offsetParent && "
        "!(e.textContent || e.labels?.[0]?.textContent || '').trim()).length",
        focusable,
    )
    assert unnamed == 0


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("kind", ["three", "nasty"])
def test_on_a_phone(visit: Callable[..., Visit], kind: str, dark: bool) -> None:
    page = visit(kind, width=390, height=844, dark=dark)
    assert page.js("document.documentElement.scrollWidth") == 390, "nothing is wider than the screen"
    paper = re.findall(r"\d+", page.js("getComputedStyle(document.body).backgroundColor"))
    assert (sum(map(int, paper[:3])) < 150) == dark
    page.browser.find_elements("css selector", ".choice")[1].click()
    assert page.frames()
    assert page.js("document.documentElement.scrollWidth") == 390


def test_hostile_names_run_nothing(visit: Callable[..., Visit]) -> None:
    page = visit("nasty")
    choices = page.browser.find_elements("css selector", ".choice")
    assert len(choices) > len(NASTY)
    for choice in choices:
        choice.click()
        assert page.frames()
    page.browser.find_element("id", "search").send_keys("<script>")
    assert page.js("document.scripts.length") == 2
    assert page.js("document.querySelectorAll('b b, img[src=x], #list b > *:not(bdi)').length") == 0


def test_without_javascript_the_page_says_so(browser: Chrome, visit: Callable[..., Visit]) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        page = visit()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    assert "needs JavaScript" in page.js("document.querySelector('noscript').textContent")

"""A page: a title and sections of blocks, rendered as one HTML file.

The templates (``templates/``, jinja2 with autoescape) hold all markup: landmarks, captions, header cells, one column on
a phone, light or dark as the reader prefers. Pictures are inside the file as data URIs. A page holds no date and no
random id: the same blocks give the same bytes. The page's content security policy forbids any request.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import math
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelforge.files import write_atomically
from labelforge.palette import hex_color
from labelforge.report.blocks import Block

if TYPE_CHECKING:
    import jinja2
    from markupsafe import Markup


@dataclass(frozen=True)
class Section:
    """A heading and the blocks under it.

    Attributes:
        title: The heading.
        blocks: The blocks under it, in order.
    """

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Page:
    """A self-contained HTML page.

    Attributes:
        title: Main heading and window title.
        subtitle: One line under it.
        sections: In order; three or more get a table of contents.
    """

    title: str
    subtitle: str = ""
    sections: tuple[Section, ...] = ()

    def add(self, title: str, *blocks: Block) -> Page:
        """A page with one more section at the end."""
        return replace(self, sections=(*self.sections, Section(title, blocks)))

    def html(self) -> str:
        """The whole document."""
        return environment().get_template("report.html").render(page=self)

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write the document to a local file, atomically.

        Returns:
            The file written.

        Raises:
            OSError: The folder does not exist or is not writable.
        """
        return write_atomically(path, self.html())


@functools.cache
def environment() -> jinja2.Environment:
    """The jinja2 environment of all of labelforge's pages: autoescape on, undefined names are errors."""
    import jinja2

    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    env.filters["hex"] = hex_color
    env.filters["number"] = format_number
    return env


def format_number(value: float | None, spec: str | None = None) -> str:
    """A number for readers: 1,234,567 or 0.1235; a dash if there is none (None, NaN)."""
    if value is None or math.isnan(value):
        return "\N{EN DASH}"
    if spec is not None:
        return format(value, spec)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def page_script(name: str) -> tuple[Markup, str]:
    """A script of ``templates/`` for a page, and its SHA-256 as a content security policy names it."""
    from markupsafe import Markup

    script = environment().get_template(name).render()
    return Markup(script), base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def script_json(data: Any) -> Markup:
    r"""JSON for a ``<script>`` element: ``<`` becomes ``\u003c`` and so on, so that nothing in it ends the element."""
    from markupsafe import Markup

    text = json.dumps(data, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))

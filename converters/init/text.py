"""Writes a proposal as the text of a ``dataset.yaml``, with comments that say what was seen and what to check."""

from __future__ import annotations

import json
import re
import shlex
import textwrap
from collections.abc import Iterator, Sequence
from typing import Final

from labelforge.converters.init.proposal import Proposal, ProposedClass
from labelforge.dataset_file import FORMATS
from labelforge.errors import counted
from labelforge.palette import hex_color
from labelforge.void_values import UNLISTED

_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*(?: [A-Za-z0-9_./-]+)*")
_PATH: Final = re.compile(r"[A-Za-z0-9_./-][A-Za-z0-9_./{}()*+@~-]*")
_WORDS: Final = frozenset({"true", "false", "null"})  # that YAML does not read as text
_WIDTH: Final = 120


def dataset_text(proposal: Proposal, name: str, folder: str, known: str | None) -> str:
    """The text of the file.

    Args:
        proposal: Its content.
        name: Name of the dataset.
        folder: The folder that was looked at, for the first comment.
        known: Name of the converter that reads the folder as it is, if there is one.
    """
    lines = [*_head(proposal, folder, known), f"name: {name}", f"kind: {proposal.kind}"]
    lines.append(f"format: {proposal.format}  # of {proposal.kind}: {', '.join(FORMATS[proposal.kind])}")
    lines += [*_paths("images", proposal.images), *_paths("labels", proposal.labels)]
    lines += [
        *(_paths("segments", proposal.segments) if proposal.segments else ()),
        *_csv(proposal),
        *_comment(proposal.attribute_from),
        *([] if proposal.attribute is None else [f"attribute: {_quoted(proposal.attribute, _PLAIN)}  # guessed"]),
        *_splits(proposal),
    ]
    lines += _void(proposal)
    lines += [*_comment(proposal.classes_from), "classes:"]
    lines += [_class(each) for each in proposal.classes]
    return "\n".join(lines) + "\n"


def _head(proposal: Proposal, folder: str, known: str | None) -> Iterator[str]:
    yield from _comment(f"What 'labelforge init' found in {folder}. Check it; lines with 'guessed' need it most.")
    if known is not None:
        command = f"labelforge convert {known} {shlex.quote(folder)} OUT"
        yield from _comment(
            f"This folder has the layout of {known}: {command} reads it without this file, with the names and the "
            "mapping that come with labelforge."
        )
    for sentence in (*proposal.looked, *proposal.remarks):
        yield from _comment(sentence)
    for other in proposal.others:
        yield from _comment(f"Also found, for a file of its own: {other}")


def _comment(text: str) -> list[str]:
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return [f"# {line}" for line in textwrap.wrap(plain, _WIDTH - 2, break_long_words=False, break_on_hyphens=False)]


def _paths(key: str, paths: Sequence[str]) -> Iterator[str]:
    several = [_quoted(path, _PATH) for path in paths]
    if len(several) == 1:
        yield f"{key}: {several[0]}"
    else:
        yield f"{key}:"
        yield from (f"  - {path}" for path in several)


def _csv(proposal: Proposal) -> Iterator[str]:
    for sentence in proposal.csv_from:
        yield from _comment(sentence)
    form = proposal.csv
    if form.columns is not None:
        named = {k: _quoted(v, _PLAIN) if isinstance(v, str) else v for k, v in form.columns.items()}
        each = ", ".join(f"{what}: {column}" for what, column in named.items())
        why = "" if form.header else ": no first line names them"
        yield f"columns: {{{each}}}  # guessed{why}"
    if form.separator is not None:
        yield f"separator: {json.dumps(form.separator)}"
    if form.decimal != ".":
        yield f"decimal: {json.dumps(form.decimal)}  # guessed"
    if form.units != "pixels":
        yield f"units: {form.units}  # guessed"


def _splits(proposal: Proposal) -> Iterator[str]:
    if not proposal.splits:
        count = proposal.counts.get("", 0)
        yield f"# All images ({count:,}) make one split, 'all'. For two that stay as they are when images are added:"
        yield "# splits: {train: 0.9, val: 0.1}"
        return
    yield "splits:"
    for name, stands in proposal.splits.items():
        yield f"  {_quoted(name, _PLAIN)}: {_quoted(stands, _PATH)}  # {counted(proposal.counts[name], 'image')}"


def _void(proposal: Proposal) -> Iterator[str]:
    values = [f'"{hex_color(each)}"' if isinstance(each, tuple) else str(each) for each in proposal.void]
    if proposal.void == [UNLISTED]:
        yield f"void: {UNLISTED}  # guessed: what no class has is not labelled; without this line, it is an error"
    elif len(values) == 1:
        yield f'void: {values[0]}  # guessed: the value that means "not labelled"; delete the line if it is a class'
    elif values:
        yield f'void: [{", ".join(values)}]  # guessed: what means "not labelled"; delete what is a class'


def _class(each: ProposedClass) -> str:
    color = "" if each.color is None else f", color: [{', '.join(map(str, each.color))}]"
    guessed = "guessed name; " if each.guessed else ""
    return f"  - {{id: {each.id}, name: {_quoted(each.name, _PLAIN)}{color}}}  # {guessed}{each.seen}"


def _quoted(text: str, plain: re.Pattern[str]) -> str:
    """A text as YAML: in quotes where it would be read as something else."""
    if plain.fullmatch(text) and text.lower() not in _WORDS and not re.fullmatch(r"[-+.\d]+(?:[eE].*)?", text):
        return text
    return json.dumps(text, ensure_ascii=False)

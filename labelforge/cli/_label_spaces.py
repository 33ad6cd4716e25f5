"""``labelforge taxonomy diff`` of two label spaces: what became of each label, with both ids on a line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from rich.text import Text

from labelforge.errors import ConfigError, TaxonomyError, did_you_mean, listed
from labelforge.label_space import LabelSpace, NativeLabel
from labelforge.label_space_diff import KINDS, Kind, LabelFate, LabelSpaceDiff
from labelforge.taxonomy import Taxonomy

_TITLES: dict[Kind, str] = {
    "same": "the same name and id",
    "renumbered": "the same name, another id",
    "renamed": "another name",
    "split": "several labels share it",
    "merged": "one label holds it and more",
    "gone": "no label holds it",
}


def are_meant(old: str, new: str, through: str | None) -> bool:
    """Whether two label spaces are to be compared; False if two trees are.

    Raises:
        TaxonomyError: One of the two is neither.
        ConfigError: A tree is to be compared with a label space, or two trees through a third.
    """
    spaces, trees = [], []
    for source in (old, new):
        path = Path(source)
        if source in Taxonomy.shipped() or path.is_dir() or path.name == "tree.yaml":
            trees.append(source)
        elif source in LabelSpace.available() or path.suffix == ".yaml":
            spaces.append(source)
        else:
            cure = did_you_mean(source, [*Taxonomy.shipped(), *LabelSpace.available()])
            raise TaxonomyError(f"no tree and no label space is called {source!r}", cure=cure)
    if spaces and trees:
        what = f"{trees[0]!r} is a tree and {spaces[0]!r} is a label space"
        raise ConfigError(what, cure="Name two trees, or two label spaces (with --through, a tree that maps both).")
    if trees and through is not None:
        raise ConfigError("--through is for two label spaces, not for two trees", cure="Leave it out.")
    return bool(spaces)


def render(diff: LabelSpaceDiff) -> Iterator[Text]:
    """The difference as lines, in sections: one for each thing that can become of a label."""
    by = "by their names" if diff.tree is None else f"by what they mean in {diff.tree.name}"
    sizes = (f"{space.name} ({len(space.labels)} labels)" for space in (diff.old, diff.new))
    yield Text(f"{' -> '.join(sizes)}, {by}", "bold")
    width = max(len(str(label.id)) for space in (diff.old, diff.new) for label in space.labels)
    for kind in KINDS:
        fates = [fate for fate in diff.fates if fate.kind == kind]
        if fates:
            yield Text(f"{kind} ({len(fates)}): {_TITLES[kind]}", "bold")
            yield from map(Text, _merged(fates, width) if kind == "merged" else _others(fates, width))
    if diff.added:
        yield Text(f"new ({len(diff.added)}): no label of {diff.old.name} became one of these", "bold")
    for label in diff.added:
        sources = listed(source.id for source in diff.sources(label))
        yield Text(_line(label, width) + (f"  (can hold some of {sources})" if sources else ""))
    if diff.tree is None:
        yield Text("Only names were compared. --through TREE compares what the labels mean in a tree.", "dim")


def _others(fates: Iterable[LabelFate], width: int) -> Iterator[str]:
    """One line where the name stays or the label is gone, else the label and below it what it became."""
    for fate in fates:
        if fate.kind == "renumbered":
            (now,) = fate.became
            yield f"  {fate.label.id:>{width}} -> {now.id:>{width}}  {now.name}"
            continue
        yield _line(fate.label, width)
        if fate.kind != "same":
            yield from (f"  {'':>{width}} ->{_line(now, width)[1:]}" for now in fate.became)


def _merged(fates: Iterable[LabelFate], width: int) -> Iterator[str]:
    """Each label that holds several, and below it what they were."""
    held: dict[NativeLabel, list[NativeLabel]] = {}
    for fate in fates:
        held.setdefault(fate.became[0], []).append(fate.label)
    for now, labels in sorted(held.items(), key=lambda item: item[0].id):
        yield _line(now, width)
        yield from (f"  {'':>{width}} <-{_line(label, width)[1:]}" for label in labels)


def _line(label: NativeLabel, width: int) -> str:
    return f"  {label.id:>{width}}  {label.name}"

"""Label spaces: the native labels of a dataset release, as published.

A label space is data (``taxonomies/label_spaces/<name>.yaml``): which value in the dataset's files means which label.
It knows nothing about trees; a mapping (:mod:`labelforge.mapping`) says what its labels mean in one. Where the dataset
has a benchmark, the file also says how that scores (:mod:`labelforge.protocol`).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from labelforge.errors import TaxonomyError, did_you_mean
from labelforge.palette import Color
from labelforge.protocol import Protocol, ProtocolEntry
from labelforge.taxonomy import shipped_folder
from labelforge.treefile import Channel
from labelforge.yamlfile import YamlFile


class LabelEntry(BaseModel):
    """One label of a label space file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: Annotated[int, Field(ge=-(2**31), lt=2**31)] = Field(
        description="The value that means this label in label files."
    )
    name: str = Field(min_length=1, description="The label's native name.")
    color: Annotated[tuple[Channel, Channel, Channel] | None, Field(strict=False)] = Field(
        None, description="The dataset's own colour for it, RGB."
    )


class VoidEntry(BaseModel):
    """The void of a label space file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: Annotated[int, Field(ge=0, lt=2**16)] = Field(
        description="The value that means 'no label' in label files; it may be that of a label."
    )
    source: str = Field(min_length=1, description="Where that is published.")


class LabelSpaceFile(BaseModel):
    """The top level of a label space's YAML file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str = Field(min_length=1, description="Name of the dataset release.")
    void: VoidEntry | None = Field(
        None, description="The dataset's own 'no label'; where no label fits, it is written."
    )
    source: str | None = Field(None, min_length=1, description="Where the table is published, if it is.")
    labels: Annotated[tuple[LabelEntry, ...], Field(strict=False, min_length=1)] = Field(
        description="Every native label."
    )
    protocol: ProtocolEntry | None = Field(None, description="How the dataset's benchmark scores.")


@dataclass(frozen=True)
class NativeLabel:
    """One label of a dataset, as the dataset defines it.

        >>> import labelforge as lf
        >>> lf.NativeLabel(id=7, name="road", color=(128, 64, 128)) in lf.LabelSpace.load("cityscapes").labels
        True

    Attributes:
        id: Its value in the dataset's label files.
        name: Its name.
        color: The dataset's own RGB colour for it, if it has one.
    """

    id: int
    name: str
    color: Color | None = None


@dataclass(frozen=True)
class LabelSpace:
    """The native labels of one dataset release.

        >>> import labelforge as lf
        >>> lf.LabelSpace.load("cityscapes").by_name["road"]
        NativeLabel(id=7, name='road', color=(128, 64, 128))

    Attributes:
        name: Name of the release, such as ``mapillary-vistas-1.2``.
        source: Where the table is published; None if the file does not say.
        labels: Every label, in the published order.
        void: The value that means "no label" in the dataset's label files, 0 to 65535; None if it has none.
        protocol: How the dataset's benchmark scores, if it is known.
    """

    name: str
    source: str | None
    labels: tuple[NativeLabel, ...]
    void: int | None = None
    protocol: Protocol | None = None

    @classmethod
    def load(cls, source: str | os.PathLike[str], folder: Path | None = None) -> LabelSpace:
        """Load a label space by name or by its YAML file.

        Args:
            source: A name, or the path of a ``.yaml`` file.
            folder: Folder of a taxonomy; its ``label_spaces/`` is searched before the shipped ones.

        Raises:
            TaxonomyError: Not found, or a fault in the file (with its line).
        """
        path = Path(source)
        if path.suffix != ".yaml":
            known = cls.available(folder)
            if str(source) not in known:
                cure = (
                    f"{did_you_mean(str(source), known)} Put a new one in label_spaces/{source}.yaml next to tree.yaml."
                )
                raise TaxonomyError(f"no label space is called {str(source)!r}", cure=cure)
            path = known[str(source)]
        return cls._from_file(YamlFile.load(path))

    @staticmethod
    def available(folder: Path | None = None) -> dict[str, Path]:
        """The shipped label spaces and those in the ``label_spaces/`` of a taxonomy's folder, by name."""
        places = [place / "label_spaces" for place in (shipped_folder(), folder) if place is not None]
        return {file.stem: file for place in places for file in sorted(place.glob("*.yaml"))}

    @classmethod
    def _from_file(cls, file: YamlFile) -> LabelSpace:
        content = file.validate(LabelSpaceFile)
        ids: dict[int, str] = {}
        names: set[str] = set()
        for i, entry in enumerate(content.labels):
            if not entry.name.isprintable():
                what = f"the name {entry.name!r} holds characters that cannot be printed"
                file.fail(("labels", i), what, "Write it without control characters, line breaks and the like.")
            if entry.id in ids:
                what = f"the id {entry.id} is used twice, by {ids[entry.id]!r} and {entry.name!r}"
                file.fail(("labels", i), what, "Correct one of the two.")
            if entry.name in names:
                file.fail(("labels", i), f"the label {entry.name!r} is repeated", "Native names must be unique.")
            ids[entry.id] = entry.name
            names.add(entry.name)
        labels = tuple(NativeLabel(entry.id, entry.name, entry.color) for entry in content.labels)
        void = None if content.void is None else content.void.id
        protocol = None
        if content.protocol is not None:
            protocol = Protocol.from_entry(content.protocol, tuple(ids.values()), file, ("protocol",))
        return cls(content.name, content.source, labels, void, protocol)

    @cached_property
    def by_name(self) -> dict[str, NativeLabel]:
        """The labels by their native name."""
        return {label.name: label for label in self.labels}

    @property
    def ids(self) -> tuple[int, ...]:
        """The label values, in the published order."""
        return tuple(label.id for label in self.labels)

    @property
    def names(self) -> tuple[str, ...]:
        """The native names, in the published order."""
        return tuple(label.name for label in self.labels)

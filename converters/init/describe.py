"""From a folder to the text of its ``dataset.yaml``."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from labelforge.converters.init.proposal import IncompleteError
from labelforge.converters.init.propose import propose
from labelforge.converters.init.text import dataset_text
from labelforge.converters.registry import recognise
from labelforge.errors import DatasetError
from labelforge.label_space import LabelSpace
from labelforge.own_dataset import OwnDataset
from labelforge.yamlfile import YamlFile


@dataclass(frozen=True)
class Description:
    """The ``dataset.yaml`` of a folder.

    Attributes:
        text: The file's text.
        dataset: What it says.
        known: Name of the converter that reads the folder without it, if there is one.
    """

    text: str
    dataset: OwnDataset
    known: str | None


def describe(folder: str | os.PathLike[str]) -> Description:
    """Look at a folder and describe what is in it.

    Raises:
        DatasetError: It is missing, or no images can be paired with labels.
        TaxonomyError: What it holds cannot be described, such as classes whose names cannot be printed.
    """
    root = Path(folder)
    try:
        known = recognise(root)
    except DatasetError:
        known = None
    try:
        proposal = propose(root)
    except DatasetError as fault:
        if known is None or isinstance(fault, IncompleteError):
            raise
        cure = f"It has the layout of {known}: labelforge convert {known} {shlex.quote(str(root))} OUT"
        raise DatasetError(fault.what, where=fault.where, cure=cure) from fault
    text = dataset_text(proposal, _name(root), str(root), known)
    return Description(text, OwnDataset.from_file(YamlFile.parse(text, "what was found")), known)


def _name(root: Path) -> str:
    """A name for the dataset: the folder's, as far as it can be one."""
    found = re.sub(r"[^A-Za-z0-9._-]+", "-", root.resolve().name).strip("-._") or "mine"
    return f"{found}-own" if found in LabelSpace.available() else found

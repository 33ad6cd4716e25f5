"""What a trained network says of itself, wherever its weights are: in a checkpoint or in an exported file.

The description holds all that is needed to read the network's logits again: its tree, the label tables of its datasets,
its classifiers and the configuration of its run.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from labelforge.errors import CheckpointError, TaxonomyError
from labelforge.logits import LogitLayout
from labelforge.mapping import LabelMapping
from labelforge.taxonomy import Taxonomy
from labelforge.trainer.config import TrainConfig


class Record(BaseModel):
    """A part of a description, read strictly."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DatasetRecord(Record):
    """One dataset of the training run."""

    dataset: str = Field(description="Name of the label space.")
    samples: int = Field(description="Number of samples.")
    labels: tuple[dict[str, Any], ...] = Field(description="The label table, as in a shard manifest.")


class NetworkDescription(Record):
    """What a network is, besides its weights."""

    version: int = Field(description="Version of the format.")
    step: int = Field(description="Steps done.")
    config: TrainConfig = Field(description="Configuration of the run.")
    taxonomy: dict[str, Any] = Field(description="The tree, in the form of tree.yaml.")
    taxonomy_digest: str = Field(description="Hex digest of the tree.")
    datasets: tuple[DatasetRecord, ...] = Field(description="The datasets, in the order of the target table.")
    classifiers: tuple[dict[str, Any], ...] = Field(
        description="What the network decides: per classifier its node and the choices that the labels taught."
    )
    priors: tuple[float, ...] | None = Field(
        None,
        description="What the labels taught of how often each choice is the right one, in the order of the logits; "
        "empty in what earlier versions wrote.",
    )


class Described(ABC):
    """A trained network on disk, opened by its description.

    Attributes:
        about: The description.
    """

    about: NetworkDescription
    lost: ClassVar[str]
    """What to do where the description is broken."""

    @property
    @abstractmethod
    def place(self) -> Path:
        """Its folder or file."""

    @property
    def described_in(self) -> Path:
        """The file that holds the description."""
        return self.place

    @property
    def step(self) -> int:
        """Steps done when it was saved."""
        return self.about.step

    @property
    def config(self) -> TrainConfig:
        """Configuration of the run."""
        return self.about.config

    @cached_property
    def taxonomy(self) -> Taxonomy:
        """The tree it was trained for.

        Raises:
            CheckpointError: The tree and its digest disagree.
        """
        try:
            tree = Taxonomy.from_dict(self.about.taxonomy)
        except TaxonomyError as fault:
            raise CheckpointError(f"its taxonomy: {fault.what}", where=self.described_in, cure=self.lost) from None
        if tree.digest != self.about.taxonomy_digest:
            raise CheckpointError("its taxonomy was changed by hand", where=self.described_in, cure=self.lost)
        return tree

    @cached_property
    def mappings(self) -> tuple[LabelMapping, ...]:
        """Label tables of the datasets it was trained on."""
        return tuple(LabelMapping.from_records(self.taxonomy, d.dataset, d.labels) for d in self.about.datasets)

    @cached_property
    def layout(self) -> LogitLayout:
        """The layout of the network's logits.

        Raises:
            CheckpointError: It does not fit the tree.
        """
        try:
            flat = self.config.model.head != "hierarchical"
            return LogitLayout.from_records(self.taxonomy, self.about.classifiers, flat=flat)
        except TaxonomyError as fault:
            raise CheckpointError(f"its classifiers: {fault.what}", where=self.described_in, cure=self.lost) from None

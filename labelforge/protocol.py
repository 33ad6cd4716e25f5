"""Protocols: how a benchmark scores its dataset, as data in the label space's YAML file.

    protocol:
      benchmark: Cityscapes
      metric: IoU class
      source: "cityscapesScripts, evaluation/evalPixelLevelSemanticLabeling.py"
      classes: [road, sidewalk, {name: pole, labels: [pole, polegroup]}]
      categories: {flat: [road, sidewalk]}

A protocol says which native labels are evaluated, which of them are one class, and what the official tool does in the
two cases in which tools differ: classes that the images do not show, and decisions for labels that are not evaluated.
Pixels whose true label is not evaluated never count.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from labelforge.errors import did_you_mean
from labelforge.yamlfile import KeyPath, YamlFile

Measure = Literal["iou", "accuracy"]
"""What the headline averages over the classes: intersection over union, or the share of true pixels that are right."""

MeanOver = Literal["labelled or decided", "labelled", "all"]
"""The classes that enter a mean: those that some pixel is labelled or decided as; those that some pixel is labelled as;
all, absent ones as 0."""

OtherDecisions = Literal["wrong", "left-out"]
"""What a decision for a label that is not evaluated makes of an evaluated pixel."""


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


Names = Annotated[tuple[str, ...], Field(strict=False, min_length=1)]


class ProtocolClass(_Entry):
    """One class of a benchmark."""

    name: str = Field(min_length=1, description="The benchmark's name for it.")
    labels: Names = Field(description="The native labels that it is made of.")


def _spell_out(given: Any) -> Any:
    """A label's name stands for a class of that name."""
    return {"name": given, "labels": [given]} if isinstance(given, str) else given


class ProtocolEntry(_Entry):
    """The key ``protocol`` of a label space's file."""

    benchmark: str = Field(min_length=1, description="Whose protocol it is.")
    metric: str = Field(min_length=1, description="The benchmark's name for its headline figure, such as 'IoU class'.")
    source: str = Field(min_length=1, description="Where the protocol is published.")
    measure: Measure = Field("iou", description="What the headline averages over the classes: iou or accuracy.")
    classes: Annotated[
        tuple[Annotated[ProtocolClass, BeforeValidator(_spell_out, json_schema_input_type=str | ProtocolClass)], ...]
        | None,
        Field(strict=False, min_length=1),
    ] = Field(
        None,
        description="The evaluated classes, in the order of the train ids: native labels, or a name for several of "
        "them. Without it, every label but those of left_out is a class.",
    )
    left_out: Annotated[tuple[str, ...] | None, Field(strict=False)] = Field(
        None, description="Instead of classes: the native labels that are not evaluated."
    )
    categories: dict[str, Names] = Field({}, description="Groups of classes that are scored as one, by their name.")
    mean_over: MeanOver = Field(
        "labelled or decided",
        description="The classes that a mean is over: those that pixels are labelled or decided as, those that pixels "
        "are labelled as, or all (absent ones count as 0).",
    )
    other_decisions: OtherDecisions = Field(
        "wrong",
        description="What a decision for another label makes of an evaluated pixel: wrong, or left-out.",
    )


@dataclass(frozen=True)
class Protocol:
    """How one dataset is scored.

        >>> import labelforge as lf
        >>> protocol: lf.Protocol = lf.LabelSpace.load("cityscapes").protocol
        >>> protocol.title, len(protocol.categories), protocol.classes[7].labels
        ('IoU class, 19 classes (Cityscapes)', 7, ('traffic sign',))

    Attributes:
        benchmark: Whose protocol it is.
        metric: Its name for the headline figure.
        source: Where it is published.
        classes: The evaluated classes; position = train id.
        measure: What the headline averages over the classes.
        categories: Groups of classes that are scored as one, by their name.
        mean_over: The classes that a mean is over.
        other_decisions: What decisions for labels that are not evaluated are.
    """

    benchmark: str
    metric: str
    source: str
    classes: tuple[ProtocolClass, ...]
    measure: Measure = "iou"
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    mean_over: MeanOver = "labelled or decided"
    other_decisions: OtherDecisions = "wrong"

    @property
    def title(self) -> str:
        """The headline's full name: the metric, the number of classes, the benchmark."""
        return f"{self.metric}, {len(self.classes)} classes ({self.benchmark})"

    def to_dict(self) -> dict[str, str]:
        """What was scored how, for JSON; without the classes and categories, which the scores list."""
        return {
            "benchmark": self.benchmark,
            "metric": self.metric,
            "measure": self.measure,
            "mean_over": self.mean_over,
            "other_decisions": self.other_decisions,
            "source": self.source,
        }

    @classmethod
    def of_labels(cls, names: Iterable[str]) -> Protocol:
        """The protocol of a dataset that has none: every given label is a class of its own."""
        return cls(
            benchmark="no protocol",
            metric="mean IoU",
            source="the label space names none: every label that is not ignored is evaluated",
            classes=tuple(ProtocolClass(name=name, labels=(name,)) for name in names),
        )

    @classmethod
    def from_entry(cls, entry: ProtocolEntry, labels: tuple[str, ...], file: YamlFile, at: KeyPath) -> Protocol:
        """Compile what a label space's file says.

        Args:
            entry: The file's key.
            labels: The label space's native names.
            file: The file, for errors.
            at: Where the key is in it.

        Raises:
            TaxonomyError: A label or class is unknown or used twice, or both or none of classes and left_out are given.
        """
        if (entry.classes is None) == (entry.left_out is None):
            what = "a protocol names either its classes or what is left_out"
            file.fail(at, what, "Keep one of the two keys; 'left_out: []' evaluates every label.")
        key = "left_out" if entry.classes is None else "classes"
        if entry.classes is None:
            left_out = entry.left_out or ()
            _check_names(left_out, labels, file, (*at, key), "label")
            classes = tuple(ProtocolClass(name=name, labels=(name,)) for name in labels if name not in left_out)
        else:
            classes = entry.classes
        _check_names([name for c in classes for name in c.labels], labels, file, (*at, key), "label")
        names = [c.name for c in classes]
        _check_names(names, names, file, (*at, key), "class")
        for category, members in entry.categories.items():
            _check_names(members, names, file, (*at, "categories", category), "class")
        return cls(
            benchmark=entry.benchmark,
            metric=entry.metric,
            source=entry.source,
            classes=classes,
            measure=entry.measure,
            categories=entry.categories,
            mean_over=entry.mean_over,
            other_decisions=entry.other_decisions,
        )


def _check_names(given: Iterable[str], known: Iterable[str], file: YamlFile, at: KeyPath, kind: str) -> None:
    """Refuse names that do not exist or are given twice."""
    known, seen = set(known), set[str]()
    for name in given:
        if name not in known:
            file.fail(at, f"there is no {kind} {name!r}", did_you_mean(name, known))
        if name in seen:
            file.fail(at, f"the {kind} {name!r} is named twice", "Name it once.")
        seen.add(name)

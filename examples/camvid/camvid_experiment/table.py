"""The table of runs: ``runs.yaml``, checked. To change the method, change that file.

A run names its datasets, its head and whatever of its settings differs from those of all. The learning rate, then one
of the options (settings, or none of them) if there are any, and with each how answers are read and how far logits are
adjusted, are chosen among the given ones on the choosing split, by the same rule for every run. A run with ``like`` is
an ablation: another run with something changed, and that run's choices. A line with ``amounts`` is several runs, which
differ in how many frames have fine labels.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from camvid_experiment.division import FINE
from camvid_experiment.native import frames_of
from labelforge.errors import ConfigError, did_you_mean
from labelforge.trainer.logit_adjustment import STRONGEST, WEAKEST
from labelforge.trainer.presets import overlay
from labelforge.trainer.reading import Reading
from labelforge.trainer.readout import By, Over
from labelforge.yamlfile import YamlFile

Kind = Literal["ours", "rival", "bound", "ablation"]
Tree = Literal["taxonomy", "taxonomy-nodes"]
"""Folder of the tree: with a node for the movers, or one for every coarse label."""

FormName = Literal["small", "full"]
Dataset = Literal["fine", "coarse", "boxes", "sign-boxes", "refined-boxes", "box-masks"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Form(_Part):
    """One size of the experiment."""

    settings: dict[str, Any] = Field(description="Settings over those of the base.")
    learning_rates: tuple[float, ...] = Field(min_length=1, description="What every run chooses from.")
    ablation_seeds: int | None = Field(None, ge=1, description="Seeds that ablations are counted over; empty: all.")


class Run(_Part):
    """One line of the table."""

    name: str = Field(min_length=1, description="Its name in the results.")
    kind: Kind = Field(description="ours, a rival, the bound, or an ablation.")
    datasets: tuple[Dataset, ...] = Field((), description="What it is trained on. Empty: as the run that it is like.")
    tree: Tree = Field("taxonomy", description="Folder of the tree that it learns.")
    fine: int = Field(FINE, ge=1, description="Frames with fine labels, of 367; all of them are then in no other set.")
    amounts: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (), description="Makes a run of this line for each of these values of fine, which {F} in its name stands for."
    )
    settings: dict[str, Any] = Field(default_factory=dict, description="Settings of its own, over the form's.")
    by: tuple[By, ...] = Field(("sum",), description="Readings to choose from.")
    over: Over | None = Field(None, description="Answers that flat-union is read over.")
    like: str | None = Field(None, description="The run that it is a variation of, and whose choices it takes.")
    options: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="Settings by name, besides those that all runs choose one of, or none."
    )
    note: str = Field("", description="A few words for the results.")

    def readings(self, adjustments: Iterable[float]) -> tuple[Reading, ...]:
        """The readings to choose from, with each of these logit adjustments."""
        return tuple(Reading(by, self.over, adjusted) for adjusted in adjustments for by in self.by)


class Table(_Part):
    """The whole file."""

    crops: int = Field(
        ge=1,
        description="Crops per step, shared evenly by the datasets of a run, or as data.batch says (a share for fine, "
        "coarse and boxes each).",
    )
    base: dict[str, Any] = Field(description="Settings of every run, as labelforge train takes them.")
    forms: dict[FormName, Form] = Field(description="The sizes of the experiment.")
    options: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="Settings by name, of which every run chooses one or none."
    )
    logit_adjustments: tuple[Annotated[float, Field(ge=WEAKEST, le=STRONGEST)], ...] = Field(
        (0.0,),
        min_length=1,
        description="Strengths of logit adjustment (how far rare classes are taken for less rare), of which every run "
        "chooses one; ours and the rivals are also counted at each.",
    )
    pictures: tuple[str, ...] = Field(
        (), description="Runs whose answers are drawn; and those of the strongest rival with as many fine labels."
    )
    purity_of: str | None = Field(None, description="The run whose pixels in boxes are compared with the truth.")
    runs: tuple[Run, ...] = Field(min_length=1, description="The runs, in the order of the results.")

    @field_validator("logit_adjustments")
    @classmethod
    def _are_distinct(cls, given: tuple[float, ...]) -> tuple[float, ...]:
        if len(set(given)) < len(given):
            raise ValueError("a strength is there twice")
        return given

    def form(self, name: FormName) -> Form:
        """The form of this name.

        Raises:
            ConfigError: There is none.
        """
        if name not in self.forms:
            cure = "Leave --small out." if name == "small" else "Add --small."
            raise ConfigError(f"the table of runs has no form {name!r}", cure=cure)
        return self.forms[name]

    def by_name(self, name: str) -> Run:
        """The run of this name.

        Raises:
            ConfigError: There is none.
        """
        for run in self.runs:
            if run.name == name:
                return run
        raise ConfigError(f"no run is called {name!r}", cure=did_you_mean(name, [run.name for run in self.runs]))

    def options_of(self, run: Run) -> dict[str, dict[str, Any]]:
        """What a run chooses one of: nothing first, under an empty name."""
        return {"": {}, **self.options, **run.options}

    def chooses(self, run: Run) -> Run:
        """The run whose choices a run takes: itself, or the one that it is like."""
        return self.by_name(run.like) if run.like else run


def load_table(path: Path) -> Table:
    """Read the table of runs; what a run leaves out, it has from the run that it is like.

    Raises:
        ConfigError: The file is missing or wrong, with the line; a run is there twice, or is like one that is not.
    """
    file = YamlFile.load(path, ConfigError)
    table = file.validate(Table)
    known: dict[str, Run] = {}
    runs = [(at, run) for at, line in enumerate(table.runs) for run in _runs_of(file, at, line)]
    for number, run in runs:
        if run.name in known:
            file.fail(("runs", number), f"the run {run.name!r} is there twice", "Give one another name.")
        if run.like is not None and (run.like not in known or known[run.like].like is not None):
            what = f"{run.name!r} is like {run.like!r}, which is no earlier run with choices of its own"
            file.fail(("runs", number, "like"), what, "Name one above it.")
        if run.like is not None and run.options:
            what = f"{run.name!r} takes what {run.like!r} chose, and has options of its own"
            file.fail(("runs", number, "options"), what, "Remove options, or like.")
        known[run.name] = _like(run, known[run.like]) if run.like else run
        if not known[run.name].datasets:
            file.fail(("runs", number), f"the run {run.name!r} has no datasets", "Add datasets: [fine, coarse].")
        about = [frames_of(kind) for kind in known[run.name].datasets]
        if len(set(about)) < len(about):
            what = f"the run {run.name!r} has two datasets of the same frames"
            file.fail(("runs", number, "datasets"), what, "Keep one of them: fine, coarse, and one kind of boxes.")
    table = table.model_copy(update={"runs": tuple(known.values())})
    for name in table.pictures:
        table.by_name(name)
    if table.purity_of is not None and "boxes" not in map(frames_of, table.by_name(table.purity_of).datasets):
        file.fail(("purity_of",), f"the run {table.purity_of!r} learns from no boxes", "Name one that does.")
    return table


def _runs_of(file: YamlFile, number: int, line: Run) -> list[Run]:
    """The runs that a line of the table stands for.

    Raises:
        ConfigError: Its name does not go with ``amounts``, or it gives ``fine`` as well.
    """
    if bool(line.amounts) != ("{F}" in line.name):
        cure = "Give both, or neither: {F} stands for F and the number of frames."
        file.fail(("runs", number), f"the run {line.name!r} has only one of amounts and a name with {{F}}", cure)
    if not line.amounts:
        return [line]
    if "fine" in line.model_fields_set:
        file.fail(("runs", number, "fine"), f"the run {line.name!r} has amounts and fine", "Remove fine.")
    given = {name: getattr(line, name) for name in line.model_fields_set - {"amounts"}}
    return [
        Run.model_validate({**given, "name": line.name.replace("{F}", f"F{fine}"), "fine": fine})
        for fine in line.amounts
    ]


def _like(run: Run, other: Run) -> Run:
    inherited = {name: getattr(other, name) for name in ("datasets", "tree", "fine", "by", "over")}
    given = {name: getattr(run, name) for name in run.model_fields_set}
    settings = overlay(other.settings, run.settings)
    return Run.model_validate({**inherited, **given, "settings": settings})

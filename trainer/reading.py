"""How the answers of a trained network are read: one network can be read in several ways."""

from __future__ import annotations

from typing import NamedTuple

from labelforge.trainer.readout import By, Over


class Reading(NamedTuple):
    """One way to read a network's answers.

    >>> from labelforge.trainer import Reading
    >>> str(Reading("sum", logit_adjustment=0.5)), str(Reading())
    ('sum adjusted by 0.5', '')
    """

    by: By | None = None
    """How labels are found; None: as usual for the dataset (:mod:`labelforge.trainer.readout`)."""
    over: Over | None = None
    """What a flat union decides between; None: as the network was loaded, else ``nodes``."""
    logit_adjustment: float | None = None
    """How far rare classes are taken for less rare (:mod:`labelforge.trainer.logit_adjustment`); None: as it was
    loaded, else not at all."""

    def __str__(self) -> str:
        adjusted = f"adjusted by {self.logit_adjustment:g}" if self.logit_adjustment else None
        return " ".join(filter(None, [self.by, self.over, adjusted]))

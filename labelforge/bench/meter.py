"""The measuring stand that all suites use: one device, one precision, one plan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from labelforge.bench.config import Precision
from labelforge.bench.memory import peak_memory
from labelforge.bench.results import Entry, Race
from labelforge.bench.timing import Contestant, Plan, compare, quartiles, race, synchroniser

__all__ = ["Meter"]


@dataclass(frozen=True)
class Meter:
    """Measures contestants.

    Attributes:
        device: What is measured.
        precision: Arithmetic of the networks.
        plan: How often.
        say: Is told what is being measured.
    """

    device: torch.device
    precision: Precision
    plan: Plan
    say: Callable[[str], None]

    def autocast(self) -> torch.autocast:
        """The context that a network computes in."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bfloat16")

    def race(
        self,
        title: str,
        contestants: Sequence[Contestant],
        *,
        rival: str,
        unit: str,
        amount: float,
        memory: bool = True,
    ) -> Race:
        """Warm contestants up, measure the memory of each, then time them in turns.

        Args:
            title: What the work is.
            contestants: Who does it.
            rival: Name of the contestant that all are compared with.
            unit: What the rate counts.
            amount: How many of these one call does.
            memory: Whether to measure peak memory; that of other processes is not seen.
        """
        peaks: list[int | None] = []
        for contestant in contestants:
            self.say(f"{title}: {contestant.name}")
            for _ in range(self.plan.warmup):
                contestant.call()
            peaks.append(peak_memory(contestant.call, self.device) if memory else None)
        self.say(title)
        samples = race(contestants, self.plan, synchronise=synchroniser(self.device))
        baseline = samples[[contestant.name for contestant in contestants].index(rival)]
        entries = []
        for contestant, seconds, peak in zip(contestants, samples, peaks, strict=True):
            spread = quartiles(seconds)
            entries.append(
                Entry(
                    name=contestant.name,
                    seconds=seconds,
                    quartiles=spread,
                    rate=amount / spread.median,
                    peak_memory=peak,
                    ratio=compare(seconds, baseline),
                )
            )
        return Race(title=title, unit=unit, amount=amount, rival=rival, entries=tuple(entries))

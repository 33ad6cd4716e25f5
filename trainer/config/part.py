"""What all parts of the training configuration have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[int, Field(ge=1)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Part(BaseModel):
    """A group of settings; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def check_numbers(values: Any, place: str, example: float) -> None:
    """Say what to write where a mapping of numbers has a key without one: YAML reads ``{a:1}`` so."""
    for key, value in values.items() if isinstance(values, Mapping) else ():
        if value is None:
            name, colon, number = str(key).partition(":")
            space = ", or put a space after the colon" if colon else ""
            raise ValueError(f"{key!r} has no number: write {place}.{name}={number or example}{space}")

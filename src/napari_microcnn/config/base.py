"""What all settings share: devices, colours, and the classes of a class map."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

Device = Literal["auto", "cpu", "cuda", "mps"]
Colour = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]

PALETTE = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "#999999")
"""Colours for classes that differ for colour-blind readers too (Okabe and Ito, 2008)."""


class Settings(BaseModel):
    """Base of all settings: frozen, nothing unknown accepted."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ClassInfo(Settings):
    """One class of a class map."""

    id: int = Field(ge=0, le=254, description="Value in class maps and annotations")
    name: str = Field(min_length=1, max_length=80)
    colour: Colour

    @field_validator("name")
    @classmethod
    def _readable(cls, name: str) -> str:
        """Refuse what would not be shown but obeyed, by a terminal for example."""
        if not name.isprintable():
            raise ValueError(f"The name {name!a} of a class has letters in it that cannot be shown; use others.")
        return name


class ObjectRule(Settings):
    """How a class map becomes numbered objects.

    ``particles``: connected regions of the class `class_id`. ``grains``: regions enclosed by
    boundaries, where `class_id` is the class of the boundaries. ``touching``: particles of the class
    `class_id` which may touch and overlap; besides its classes the network has one more output, the last, which
    says how surely a pixel lies well inside of a particle.
    """

    kind: Literal["particles", "grains", "touching"]
    class_id: int = Field(ge=0, le=254)

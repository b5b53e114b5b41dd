"""Models as the docks see them: a file and what it says about itself, read without torch."""

from __future__ import annotations

import json
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_microcnn.config import ClassInfo, ObjectRule

MODELS_VARIABLE = "MICROCNN_MODELS"
"""Environment variable with the folder for models that were trained in the docks."""
WEIGHTS = Path(__file__).parents[1] / "weights"
_METADATA = "napari-microcnn"
_LONGEST_HEADER = 100 << 20
_MOST_KEPT = 10


@dataclass(frozen=True)
class ModelFile:
    """A saved model.

    Attributes
    ----------
    path : Path
        The ``.safetensors`` file.
    name : str
        What the user sees.
    channels : int
        Channels of the images it takes.
    classes : tuple of ClassInfo
        What it tells apart.
    objects : ObjectRule or None
        How its class maps become numbered objects.
    pixel_size : str or None
        Size of a pixel in its training images, for people.
    searches : bool
        Whether prediction looks for the best magnification.
    kind : {"segmenter", "classifier"}
        Whether it gives every pixel a class, or the image as a whole.
    """

    path: Path
    name: str
    channels: int
    classes: tuple[ClassInfo, ...]
    objects: ObjectRule | None = None
    pixel_size: str | None = None
    searches: bool = False
    kind: str = "segmenter"

    @property
    def reference(self) -> str:
        """What settings call it: the name of a shipped model, the file of another one."""
        return self.name if self.path.parent == WEIGHTS else str(self.path)

    @property
    def line(self) -> str:
        """One line for people: classes, channels, pixel size, file size."""
        parts = [" / ".join(info.name for info in self.classes)]
        parts.append("grey images" if self.channels == 1 else f"{self.channels} channels")
        if self.searches:
            parts.append("finds the magnification")
        elif self.pixel_size:
            parts.append(f"trained at {self.pixel_size}")
        parts.append(f"{self.path.stat().st_size / 1e6:.1f} MB")
        return " · ".join(parts)


def read_model_file(path: str | Path, name: str | None = None) -> ModelFile:
    """Read what a model file says about itself; the weights stay unread.

    Raises
    ------
    ValueError
        If it is not a model of this package.
    """
    path = Path(path)
    try:
        card = json.loads(_metadata(path)[_METADATA])
        objects, size = card.get("objects"), card["pixel_size"]
        return ModelFile(
            path=path,
            name=name or path.stem,
            channels=int(card["architecture"]["channels"]),
            classes=tuple(ClassInfo.model_validate(entry) for entry in card["classes"]),
            objects=ObjectRule.model_validate(objects) if objects else None,
            pixel_size=f"{size['x']:.4g} {size['unit']}/px" if size else None,
            searches=card.get("typical_intercept") is not None,
            kind="classifier" if card.get("kind") == "classifier" else "segmenter",
        )
    except OSError as error:
        raise ValueError(f"{path} cannot be opened: {error.strerror}.") from error
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError, struct.error) as error:
        raise ValueError(f"{path.name} is not a model of this package, or is damaged.") from error


def _metadata(path: Path) -> dict[str, Any]:
    """Return the metadata of a safetensors file: its header is JSON after eight bytes of length."""
    with path.open("rb") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        if length > _LONGEST_HEADER:
            raise ValueError("The header is longer than any model's.")
        return json.loads(file.read(length))["__metadata__"]


def shipped_model_files() -> list[ModelFile]:
    """Return the models that come with the package, sorted by name."""
    return [read_model_file(path) for path in sorted(WEIGHTS.glob("*.safetensors"))]


def models_folder() -> Path:
    """Return the folder where every model that is trained in the docks is kept; it need not exist."""
    return Path(os.environ.get(MODELS_VARIABLE) or Path.home() / "napari-microcnn" / "models")


def kept_model_files() -> list[ModelFile]:
    """Return the models of `models_folder`, the newest first, not more than a menu can hold."""
    found = []
    for path in sorted(models_folder().glob("*.safetensors"), key=_age):
        try:
            found.append(read_model_file(path))
        except ValueError:  # another program's file, or a half copied one
            continue
        if len(found) == _MOST_KEPT:
            break
    return found


def _age(path: Path) -> float:
    return -path.stat().st_mtime

"""The models that come with the package."""

from __future__ import annotations

from pathlib import Path

WEIGHTS = Path(__file__).parent.parent / "weights"


def shipped_models() -> dict[str, Path]:
    """Return name and weights file of every model in the package, sorted by name."""
    return {path.stem: path for path in sorted(WEIGHTS.glob("*.safetensors"))}

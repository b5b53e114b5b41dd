"""How a result was made, so that it can be made again."""

from __future__ import annotations

import hashlib
import platform
import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from napari_microcnn.io.errors import ReadError
from napari_microcnn.micrograph import DRAWN, Calibration, Micrograph

_PACKAGES = ("napari-microcnn", "torch", "numpy", "scipy", "scikit-image", "tifffile")
_BLOCK = 1 << 20


def provenance(
    *,
    micrograph: Micrograph,
    model: Mapping[str, Any] | None,
    settings: Mapping[str, Any],
    command: str,
) -> dict[str, Any]:
    """Describe a run: input, model, settings, versions, time, and how to repeat it.

    Parameters
    ----------
    micrograph : Micrograph
        The input. Its file is hashed, or its pixels when they never were in a file.
    model : mapping or None
        Name, SHA-256 and whatever else identifies the model.
    settings : mapping
        All settings, defaults included, and the seed.
    command : str
        A command line that does the same; see `command_line`.

    Returns
    -------
    dict
        Ready for `write_json`.
    """
    return {
        "software": "napari-microcnn",
        "versions": versions(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "input": describe_input(micrograph),
        "model": dict(model) if model is not None else None,
        "settings": dict(settings),
        "seed": settings.get("seed"),
        "command": command,
    }


def versions() -> dict[str, str]:
    """Return the versions of this package and of those that shape its results; none is imported."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def describe_input(micrograph: Micrograph) -> dict[str, Any]:
    """Return name, hash, shape and calibration of an image.

    ``sha256`` is that of the file or folder, ``pixels_sha256`` that of an image without file. A lazy image
    without file has none, because hashing would read all of it.
    """
    described: dict[str, Any] = {
        "name": micrograph.name,
        "file": micrograph.path.name if micrograph.path else None,
        "sha256": None,
        "shape": list(micrograph.pixels.shape),
        "dtype": str(micrograph.pixels.dtype),
        "axes": micrograph.axes,
        "calibration": describe_calibration(micrograph.calibration),
    }
    if micrograph.path is not None and micrograph.path.exists():
        described["sha256"] = file_sha256(micrograph.path)
    elif isinstance(micrograph.pixels, np.ndarray):
        described["pixels_sha256"] = hashlib.sha256(np.ascontiguousarray(micrograph.pixels).data).hexdigest()
    if DRAWN in micrograph.metadata:
        described[DRAWN] = [list(box) for box in micrograph.metadata[DRAWN]]
    return described


def describe_calibration(calibration: Calibration | None) -> dict[str, Any] | None:
    """Return the pixel size along y and x, its unit and its source; None without calibration."""
    if calibration is None:
        return None
    return {"pixel_size": list(calibration.pixel_size), "unit": calibration.unit, "source": calibration.source}


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, read in blocks; of a folder, such as an OME-Zarr, that of its names and hashes.

    Raises
    ------
    ReadError
        If the file cannot be read.
    """
    digest = hashlib.sha256()
    if path.is_dir():
        for part in sorted(part for part in path.rglob("*") if part.is_file()):
            digest.update(f"{part.relative_to(path).as_posix()} {file_sha256(part)}\n".encode())
        return digest.hexdigest()
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise ReadError(f"{path.name} could not be read ({error.strerror or error}); check the drive.") from error
    return digest.hexdigest()


def command_line(command: str, inputs: Sequence[str | Path] = (), **options: Any) -> str:
    """Write a command line of this package that can be pasted into a shell.

    Parameters
    ----------
    command : str
        For example ``"segment"``.
    inputs : sequence of str or Path
        Files.
    **options
        ``tile=512`` becomes ``--tile 512``, ``dense=True`` ``--dense``, ``o="out"`` ``-o out``;
        None and False are left out. A list repeats its option.

    Examples
    --------
    >>> command_line("segment", ["my steel.tif"], model="grain-boundaries", tile=None, probabilities=True, o="out")
    "napari-microcnn segment 'my steel.tif' --model grain-boundaries --probabilities -o out"
    """
    words = ["napari-microcnn", *command.split(), *(_file(item) for item in inputs)]
    for name, value in options.items():
        if value is None or value is False:
            continue
        flag = f"-{name}" if len(name) == 1 else f"--{name.replace('_', '-')}"
        if value is True:
            words.append(flag)
            continue
        for one in value if isinstance(value, list) else [value]:
            words += [flag, str(one)]
    return shlex.join(words)


def _file(name: str | Path) -> str:
    """Return a file's name so that it is not taken for an option."""
    return f"./{name}" if str(name).startswith("-") else str(name)

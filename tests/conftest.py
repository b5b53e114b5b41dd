"""What every test may rely on: one torch thread, fixed seeds, nothing written outside `tmp_path`."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def _same_every_time() -> None:
    """Seed everything; torch only if a test's imports brought it, because importing it takes a second."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - libraries draw from it
    if (torch := sys.modules.get("torch")) is not None:
        torch.manual_seed(0)
        # The machines that run the suite have two cores and often two jobs.
        torch.set_num_threads(1)


@pytest.fixture
def mounted_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Return a function that mounts a disk, or changes the options of the one that is there."""
    place = tmp_path / "disk"

    def mount(options: str) -> Path:
        already = place.is_mount()
        place.mkdir(exist_ok=True)
        words = (
            ["-o", f"remount,{options}", str(place)] if already else ["-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        )
        try:
            subprocess.run(["mount", *words], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("Mounting a disk is not allowed here.")
        return place

    yield mount
    if place.is_mount():
        subprocess.run(["umount", "--lazy", str(place)], check=True)

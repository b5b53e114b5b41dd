"""What every test may rely on: one torch thread, fixed seeds, nothing written outside `tmp_path`."""

from __future__ import annotations

import random
import sys

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

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="module")
def workers() -> Iterator[Any]:
    """Start two processes that compute, on a scheduler in this one; nobody may end them."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", resources={"SEM": 1}, silence_logs=50
    ) as running:
        yield running

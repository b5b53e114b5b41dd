"""`--scheduler` and `--tag`, with a real Dask cluster."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_microcnn.cli import main
from napari_microcnn.io.read import read_labels

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning:distributed.*")


def test_a_cluster_computes_what_this_machine_does(pictures: Path, model: Path, capsys) -> None:
    words = ["segment", str(pictures / "images"), "--model", str(model), "--device", "cpu", "-o"]
    assert main([*words, str(pictures / "here")]) == 0
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address=":0", resources={"SEM": 1}
    ) as running:
        where = ["--scheduler", running.scheduler_address]
        assert main([*words, str(pictures / "there"), *where, "--tag", "SEM"]) == 0
        one = ["segment", str(pictures / "images" / "p0.tif"), *words[2:], str(pictures / "tiles"), "--tile", "32"]
        assert main([*one, *where]) == 0
        capsys.readouterr()
        assert main([*words, str(pictures / "nowhere"), *where, "--tag", "GPU"]) == 2
    told = capsys.readouterr().err
    assert "No worker offers the resource 'GPU' (SEM)" in told
    assert told.count("\n") == 1
    for name in ("p0_classes.tif", "p0_labels.tif", "p1_classes.tif"):
        np.testing.assert_array_equal(read_labels(pictures / "there" / name), read_labels(pictures / "here" / name))
    np.testing.assert_array_equal(
        read_labels(pictures / "tiles" / "p0_labels.tif"), read_labels(pictures / "here" / "p0_labels.tif")
    )

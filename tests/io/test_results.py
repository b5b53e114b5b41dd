"""Whose files these are: results of ours may be replaced, nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from napari_microcnn.io.results import check_replaceable, is_record

KILLED = """
import os, sys
from pathlib import Path
import numpy as np
from napari_microcnn.io.export import export_segmentation

left, replace = int(sys.argv[2]), Path.replace

def counted(self, target):
    global left
    if not left:
        os._exit(9)
    left -= 1
    return replace(self, target)

Path.replace = counted
told = {"software": "napari-microcnn"}
export_segmentation(sys.argv[1], "steel [1]", classes=np.ones((9, 9), np.uint8), labels=np.ones((9, 9), int),
                    provenance=told)
"""


def killed(folder: Path, after: int) -> list[str]:
    """Write results in a process that is gone after so many files have appeared; return their names."""
    done = subprocess.run([sys.executable, "-c", KILLED, folder, str(after)], check=False)
    assert done.returncode == (9 if after < 3 else 0)
    return sorted(path.name for path in folder.iterdir() if path.name[0] != ".")


def test_files_of_a_run_that_was_killed_while_they_appeared_are_ours(tmp_path: Path) -> None:
    assert killed(tmp_path, 1) == ["steel [1]_classes.tif"]
    check_replaceable(tmp_path, "steel [1]")
    (tmp_path / "steel [1]_labels.tif").write_bytes(b"painted by hand")
    with pytest.raises(ValueError, match=r"steel \[1\]_labels.tif is no result of an earlier run"):
        check_replaceable(tmp_path, "steel [1]")
    (tmp_path / "steel [1]_labels.tif").unlink()
    assert killed(tmp_path, 3) == ["steel [1].json", "steel [1]_classes.tif", "steel [1]_labels.tif"]
    assert is_record(tmp_path / "steel [1].json")


def test_a_changed_file_of_a_run_that_was_killed_is_left(tmp_path: Path) -> None:
    killed(tmp_path, 2)
    check_replaceable(tmp_path, "steel [1]")
    (tmp_path / "steel [1]_classes.tif").write_bytes(b"painted by hand")
    with pytest.raises(ValueError, match="no result of an earlier run"):
        check_replaceable(tmp_path, "steel [1]")

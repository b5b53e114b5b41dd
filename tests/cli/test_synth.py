from __future__ import annotations

import json

import numpy as np
import pytest

from napari_microcnn.cli import main
from napari_microcnn.io.read import read_labels, read_micrograph
from napari_microcnn.synth import LOOKS, polycrystal


def test_pictures_come_with_labels_and_all_to_make_them_again(tmp_path, capsys) -> None:
    words = "synth voronoi -n 2 --seed 5 --height 48 --width 64 --grains 9 --look etched --line-contrast 0.9".split()
    assert main([*words, "-o", str(tmp_path)]) == 0
    assert "2 pictures of 64 x 48 pixels" in capsys.readouterr().out
    for name in ("images", "labels", "grains"):
        assert sorted(path.stem for path in (tmp_path / name).iterdir()) == ["voronoi_000005", "voronoi_000006"]
    structure, imaging = LOOKS["etched"]
    structure = structure.model_copy(update={"height": 48, "width": 64, "grains": 9})
    made = polycrystal(structure, imaging.model_copy(update={"line_contrast": 0.9}), 5)
    file = "voronoi_000005.tif"
    np.testing.assert_array_equal(np.asarray(read_micrograph(tmp_path / "images" / file).pixels), made.image)
    np.testing.assert_array_equal(read_labels(tmp_path / "labels" / file), made.structure.boundaries)
    np.testing.assert_array_equal(read_labels(tmp_path / "grains" / file), made.structure.grains)
    told = json.loads((tmp_path / "synth.json").read_text())
    assert told["imaging"]["line_contrast"] == 0.9
    assert told["structure"]["size_spread"] == structure.size_spread
    assert told["first_seed"] == 5


def test_the_looks_are_listed(tmp_path, capsys) -> None:
    assert main(["synth", "voronoi", "--look", "list", "-o", str(tmp_path / "none")]) == 0
    assert capsys.readouterr().out.splitlines() == list(LOOKS)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--look", "cubist"], "no look 'cubist'"),
        (["--regularity", "2"], "--regularity '2'"),
        (["-n", "0"], "--number"),
    ],
)
def test_mistakes_are_told(tmp_path, capsys, words: list[str], told: str) -> None:
    assert main(["synth", "voronoi", "-o", str(tmp_path / "out"), *words]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()

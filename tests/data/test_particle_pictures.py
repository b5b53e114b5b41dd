from __future__ import annotations

import json

import numpy as np

from napari_microcnn.cli import main
from napari_microcnn.io.read import read_labels, read_micrograph
from napari_microcnn.synth import PARTICLE_LOOKS, nanoparticles


def test_pictures_come_with_labels_and_all_to_make_them_again(tmp_path, capsys) -> None:
    words = "synth nanoparticles -n 2 --seed 5 --height 64 --width 80 --look HAADF --dose 900 -o".split()
    assert main([*words, str(tmp_path)]) == 0
    assert "2 pictures of 80 x 64 pixels" in capsys.readouterr().out
    config = PARTICLE_LOOKS["HAADF"].model_copy(update={"height": 64, "width": 80, "dose": 900.0})
    made, file = nanoparticles(config, 6), "nanoparticles_000006.tif"
    np.testing.assert_array_equal(np.asarray(read_micrograph(tmp_path / "images" / file).pixels), made.image)
    np.testing.assert_array_equal(read_labels(tmp_path / "labels" / file), made.mask)
    np.testing.assert_array_equal(read_labels(tmp_path / "particles" / file), made.labels)
    told = json.loads((tmp_path / "synth.json").read_text())
    assert told["nanoparticles"]["dose"] == 900
    assert (told["first_seed"], told["number"]) == (5, 2)


def test_looks_are_listed_and_unknown_ones_told(tmp_path, capsys) -> None:
    words = ["synth", "nanoparticles", "-o", str(tmp_path / "none"), "--look"]
    assert main([*words, "list"]) == 0
    assert capsys.readouterr().out.splitlines() == list(PARTICLE_LOOKS)
    assert main([*words, "cubist"]) == 2
    assert "no look 'cubist'" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()

from __future__ import annotations

import csv
import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile

from napari_microcnn.cli import main


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def bricks(tmp_path: Path) -> Path:
    """Write four grains of 9 x 9 pixels between boundaries one pixel wide, at 0.5 µm per pixel."""
    labels = np.zeros((19, 19), np.uint16)
    labels[:9, :9], labels[:9, 10:], labels[10:, :9], labels[10:, 10:] = 1, 2, 3, 4
    path = tmp_path / "in" / "bricks.tif"
    path.parent.mkdir()
    tifffile.imwrite(path, labels, imagej=True, resolution=(2, 2), metadata={"unit": "um"})
    return path


def test_grains_in_physical_units(bricks: Path, tmp_path: Path, capsys) -> None:
    assert main(["measure", "grains", str(bricks), "-o", str(tmp_path / "g.csv")]) == 0
    table = rows(tmp_path / "g.csv")
    assert [row["file"] for row in table] == ["bricks.tif"] * 4
    # Grains reach to the middle of the boundaries; the odd pixel is one grain's.
    assert sum(float(row["area_um2"]) for row in table) == pytest.approx(361 * 0.25)
    assert [float(row["area_um2"]) for row in table] == pytest.approx([90.25 * 0.25] * 4, abs=10 * 0.25)
    told = capsys.readouterr()
    assert "ASTM_grain_size_number_planimetric" in told.out
    assert "fewer than 50 grains" in told.err
    (summary,) = rows(tmp_path / "g_summary.csv")
    # Four grains, all at corners, are one.
    assert float(summary["grains"]) == 1
    assert float(summary["grains_per_um2"]) == pytest.approx(1 / (361 * 0.25))
    # Straight lines from side to side cross one boundary on 9.5 µm.
    assert float(summary["mean_intercept_0_degrees_um"]) == pytest.approx(9.5, rel=0.06)
    record = json.loads((tmp_path / "g_summary.json").read_text(encoding="utf-8"))
    assert record["software"] == "napari-microcnn"
    assert len(record["inputs"][0]["sha256"]) == 64


def test_fields_are_pooled(bricks: Path, tmp_path: Path) -> None:
    tifffile.imwrite(bricks.with_name("more.tif"), tifffile.imread(bricks)[::-1])
    words = ["measure", "grains", str(bricks.parent), "-o", str(tmp_path / "g.csv"), "--pixel-size", "2 nm"]
    assert main(words) == 0
    first, second, pooled = rows(tmp_path / "g_summary.csv")
    assert [first["file"], second["file"], pooled["file"]] == ["bricks.tif", "more.tif", "all"]
    assert (float(pooled["fields"]), float(pooled["grains"])) == (2, 2)


def test_without_a_pixel_size_no_grain_size_number(tmp_path: Path, capsys) -> None:
    tifffile.imwrite(tmp_path / "l.tif", np.kron([[1, 2], [3, 4]], np.ones((8, 8))).astype(np.uint8))
    assert main(["measure", "grains", str(tmp_path / "l.tif"), "-o", str(tmp_path / "g.csv")]) == 0
    told = capsys.readouterr()
    assert "grain_size_number" not in told.out
    assert "no grain size number G can be stated" in told.err


def test_how_sure_particles_are(bricks: Path, tmp_path: Path) -> None:
    words = ["measure", "particles", str(bricks), "-o", str(tmp_path / "p.csv"), "--class", "3", "--sureness"]
    assert main(words) == 0
    sure = {row["quantity"]: row for row in rows(tmp_path / "p_sureness.csv")}
    assert float(sure["area_fraction"]["inwards"]) < float(sure["area_fraction"]["value"])
    assert float(sure["area_fraction"]["value"]) < float(sure["area_fraction"]["outwards"])


def test_grains_between_the_boundaries_of_a_class_map(bricks: Path, tmp_path: Path) -> None:
    mask = tmp_path / "mask.png"
    tifffile.imwrite(mask := mask.with_suffix(".tif"), (tifffile.imread(bricks) == 0).astype(np.uint8))
    words = ["measure", "grains", str(mask), "-o", str(tmp_path / "g.csv"), "--boundary", "1", "--pixel-size", "2 nm"]
    assert main(words) == 0
    assert sum(float(row["area_nm2"]) for row in rows(tmp_path / "g.csv")) == pytest.approx(361 * 4)


@pytest.mark.parametrize("grain", [0, 1])
def test_a_single_grain_or_none_has_no_intercept(tmp_path: Path, capsys, grain: int) -> None:
    tifffile.imwrite(tmp_path / "one.tif", np.full((8, 8), grain, np.uint8))
    assert main(["measure", "grains", str(tmp_path / "one.tif"), "-o", str(tmp_path / "g.csv")]) == 0
    assert "mean_intercept_px inf" in capsys.readouterr().out
    assert len(rows(tmp_path / "g.csv")) == grain


def test_particles_of_a_class(bricks: Path, tmp_path: Path, capsys) -> None:
    words = ["measure", "particles", str(bricks), "-o", str(tmp_path / "p.csv"), "--class", "3"]
    assert main(words) == 0
    assert len(rows(tmp_path / "p.csv")) == 1
    assert f"area_fraction {81 / 361:.4g}" in capsys.readouterr().out


def test_phases(bricks: Path, tmp_path: Path) -> None:
    assert main(["measure", "phases", str(bricks), "-o", str(tmp_path / "f.csv")]) == 0
    fractions = {row["class"]: float(row["area_fraction"]) for row in rows(tmp_path / "f.csv")}
    assert fractions == pytest.approx({"0": 37 / 361, "1": 81 / 361, "2": 81 / 361, "3": 81 / 361, "4": 81 / 361})


def test_a_stack_is_measured_plane_by_plane(tmp_path: Path) -> None:
    stack = np.zeros((2, 16, 16), np.uint8)
    stack[:, 2:6, 2:6] = 1
    stack[1, 10:14, 2:6] = 2
    tifffile.imwrite(tmp_path / "s.ome.tif", stack, metadata={"axes": "ZYX"})
    assert main(["measure", "particles", str(tmp_path / "s.ome.tif"), "-o", str(tmp_path / "p.csv")]) == 0
    assert [row["plane"] for row in rows(tmp_path / "p.csv")] == ["0", "1", "1"]


def test_without_a_pixel_size_we_say_so(tmp_path: Path, capsys) -> None:
    tifffile.imwrite(tmp_path / "l.tif", np.eye(16, dtype=np.uint8))
    assert main(["measure", "particles", str(tmp_path / "l.tif"), "-o", str(tmp_path / "p.csv")]) == 0
    assert "--pixel-size" in capsys.readouterr().err
    assert "area_px" in rows(tmp_path / "p.csv")[0]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["grains", "gone.tif"], "no file"),
        (["grains", "bricks.tif", "--pixel-size", "huge"], "'huge'"),
        (["phases", "float.tif"], "float.tif"),
        (["particles", "bricks.tif", "nm.tif"], "different units"),
        (["particles", "bricks.tif", "-o", "bricks.tif"], "ends in .csv"),
    ],
)
def test_mistakes_are_told_in_one_line(bricks: Path, tmp_path: Path, monkeypatch, capsys, words, told: str) -> None:
    monkeypatch.chdir(bricks.parent)
    tifffile.imwrite("float.tif", np.full((8, 8), 0.5, np.float32))
    tifffile.imwrite("nm.tif", np.eye(8, dtype=np.uint8), imagej=True, resolution=(2, 2), metadata={"unit": "nm"})
    output = [] if "-o" in words else ["-o", str(tmp_path / "t.csv")]
    assert main(["measure", *words, *output]) == 2
    assert tifffile.imread("bricks.tif").shape == (19, 19)
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1
    assert not (tmp_path / "t.csv").exists()


def test_of_a_folder_of_results_only_the_labels_count(bricks: Path, tmp_path: Path) -> None:
    folder = bricks.parent
    bricks.rename(folder / "steel_labels.tif")
    tifffile.imwrite(folder / "steel_classes.tif", np.ones((19, 19), np.uint8))
    (folder / "steel.json").write_text('{"software": "napari-microcnn"}', encoding="utf-8")
    words = ["measure", "grains", str(folder), "-o", str(tmp_path / "g.csv"), "--pixel-size", "1 um"]
    assert main(words) == 0
    assert {row["file"] for row in rows(tmp_path / "g.csv")} == {"steel_labels.tif"}


def test_phases_come_with_their_intervals(bricks: Path, tmp_path: Path, capsys) -> None:
    words = [
        "measure",
        "phases",
        str(bricks),
        "-o",
        str(tmp_path / "f.csv"),
        "--thickness",
        "--tortuosity",
        "--sureness",
    ]
    assert main(words) == 0
    assert f"class_3_area_fraction {81 / 361:.4g} (" in capsys.readouterr().out
    table = {row["class"]: row for row in rows(tmp_path / "f.csv")}
    # At a corner of the image the phase is taken to go on.
    assert 4.5 < float(table["3"]["mean_local_thickness_um"]) < 9.1
    assert all(float(row["tortuosity_x"]) >= 1 for row in table.values())
    sure = [row for row in rows(tmp_path / "f_sureness.csv") if row["class"] == "3"]
    assert float(sure[0]["inwards"]) < float(sure[0]["value"]) < float(sure[0]["outwards"])


def test_how_sure_grains_are(bricks: Path, tmp_path: Path, capsys) -> None:
    tifffile.imwrite(mask := tmp_path / "mask.tif", (tifffile.imread(bricks) == 0).astype(np.uint8))
    words = ["measure", "grains", str(mask), "-o", str(tmp_path / "g.csv"), "--sureness"]
    assert main(words) == 2
    assert "--boundary" in capsys.readouterr().err
    assert main([*words, "--boundary", "1"]) == 0
    sure = {row["quantity"]: row for row in rows(tmp_path / "g_sureness.csv")}
    # Boundaries of one pixel are gone when they are a pixel thinner: all is one grain.
    assert [float(sure["grains_cut"][name]) for name in ("value", "inwards", "outwards")] == [4, 1, 4]


def test_masks_of_ilastik_are_measured(bricks: Path, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "bricks.h5", "w") as file:
        file["exported_data"] = tifffile.imread(bricks)
    assert main(["measure", "grains", str(bricks), "-o", str(tmp_path / "tif.csv")]) == 0
    words = ["measure", "grains", str(tmp_path / "bricks.h5"), "-o", str(tmp_path / "h5.csv")]
    assert main([*words, "--pixel-size", "0.5 um"]) == 0
    without = [
        [{k: v for k, v in row.items() if k != "file"} for row in rows(tmp_path / f"{n}.csv")] for n in ("tif", "h5")
    ]
    assert without[0] == without[1]


def test_twins_in_or_out(bricks: Path, tmp_path: Path, capsys) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    marked = np.zeros((19, 19), np.uint8)
    marked[:9, 9] = 1  # the border between the two upper grains
    tifffile.imwrite(masks / "bricks.tif", marked)
    words = ["measure", "grains", str(bricks), "-o", str(tmp_path / "g.csv")]
    assert main([*words, "--twin-boundaries", str(masks)]) == 0
    assert len(rows(tmp_path / "g.csv")) == 3
    assert "twin_boundaries" in (tmp_path / "g_summary.json").read_text(encoding="utf-8")
    band = np.zeros((19, 19), np.uint8)
    band[:9, 3:6] = 1  # divides the first grain into three
    tifffile.imwrite(tmp_path / "band.tif", band)
    assert main([*words, "--twins", str(tmp_path / "band.tif")]) == 0
    assert len(rows(tmp_path / "g.csv")) == 6
    capsys.readouterr()
    for more, told in (
        (["--twins", str(masks), "--twin-boundaries", str(masks)], "not both"),
        (["--twins", str(tmp_path / "none")], "no file or folder"),
        (["--twins", str(bricks.parent), "--boundary", "0", "--sureness"], "as they were found"),
    ):
        assert main([*words, *more]) == 2
        assert told in capsys.readouterr().err

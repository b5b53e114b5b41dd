"""Scripts repeat, bit for bit, what the docks did."""

import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from qtpy.QtWidgets import QApplication

from napari_microcnn.config import ClassInfo, SegmentConfig, TrainConfig
from napari_microcnn.events import result_of
from napari_microcnn.io.read import read_labels
from napari_microcnn.micrograph import Calibration, Micrograph
from napari_microcnn.models import Classifier, load_classifier, load_model
from napari_microcnn.ui.annotate import AnnotateDock
from napari_microcnn.ui.pairing import FilePair, PaintedImage
from napari_microcnn.ui.scripting import RESULT, Lesson, Reading, write_script

SMALL = {"epochs": 2, "patch": 32, "batch": 2, "width": 4, "depth": 2, "patience": 100}
CLASSES = (ClassInfo(id=1, name="dark stuff", colour="#e69f00"), ClassInfo(id=2, name="bright", colour="#56b4e9"))


def run(words: list[str]) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def run_python(folder: Path) -> None:
    run([sys.executable, str(folder / "script.py")])


def run_command(command: str) -> None:
    program, *words = shlex.split(command)
    assert program == "napari-microcnn"
    code = "import sys, napari_microcnn.cli as c; sys.exit(c.main(sys.argv[1:]))"
    run([sys.executable, "-c", code, *words])


def script_of(button: Any, finish: Callable[[Any], None], dock: Any) -> tuple[Path, str]:
    """Press the button; return the folder of the script and the command line."""
    button.click()
    finish(dock)
    text = QApplication.clipboard().text()
    assert (
        text == f"# On a command line:\n# {button.dialog.command.toPlainText()}\n\n{button.dialog.python.toPlainText()}"
    )
    folders = sorted(Path(button.dialog.folder).iterdir())
    assert (button.dialog.folder / "script.py") in folders
    button.dialog.close()
    return button.dialog.folder, button.dialog.command.toPlainText()


def test_a_training_is_repeated_bit_for_bit(
    viewer: Any,
    open_dock: Callable[[str], Any],
    finish: Callable[[Any], None],
    told: list[str],
    discs: np.ndarray,
    strokes: np.ndarray,
    tmp_path: Path,
) -> None:
    tifffile.imwrite(tmp_path / "in file.tif", discs)
    viewer.open(tmp_path / "in file.tif")
    viewer.add_image(discs[::-1].copy(), name="in memory")
    dock: AnnotateDock = open_dock("Annotate & train")
    for name, value in SMALL.items():
        dock.advanced.widget(name).setValue(value)
    dock.form.widget("minutes").setValue(0)  # no limit
    dock.init.setCurrentIndex(dock.init.findText("from scratch"))
    for image in list(viewer.layers):
        dock.pairs.image.layer = image
        dock.pairs.new_button.click()
        viewer.layers[f"{image.name} annotation"].data = strokes if image.name == "in file" else strokes[::-1].copy()
    dock.pairs.set_validation(1, True)
    dock.preset.set_value("particles", 2)
    dock.classes.rename(0, "dark stuff")
    dock.run_button.click()
    finish(dock)
    folder, command = script_of(dock.script_button, finish, dock)
    assert told == []
    assert str(tmp_path / "in file.tif") in command
    run_python(folder)
    made = load_model(dock.model.path)
    repeated = load_model(folder / RESULT)
    assert repeated.sha256 == made.sha256
    assert repeated.classes == made.classes
    assert repeated.objects == made.objects
    (folder / RESULT).unlink()
    run_command(command)
    assert load_model(folder / RESULT).sha256 == made.sha256
    assert not dock.lesson.live
    assert [entry.name for entry in load_model(folder / RESULT).classes] == ["dark stuff", "class 2"]


def test_a_segmentation_is_repeated_bit_for_bit(
    viewer: Any, open_dock: Callable[[str], Any], finish: Callable[[Any], None], discs: np.ndarray, model_path: Path
) -> None:
    viewer.add_image(discs, name="discs")
    dock = open_dock("Segment")
    dock.model.open_file(model_path)
    dock.form.widget("min_size").setValue(3)
    dock.run_button.click()
    finish(dock)
    folder, command = script_of(dock.script_button, finish, dock)
    for repeat in (lambda: run_python(folder), lambda: run_command(command)):
        repeat()
        for path in (folder / "results").glob("*_classes.tif"):
            assert np.array_equal(read_labels(path), viewer.layers["discs classes"].data)
        labels = next((folder / "results").glob("*_labels.tif"))
        assert np.array_equal(read_labels(labels), viewer.layers["discs objects"].data)
        for path in (folder / "results").iterdir():
            path.unlink()


@pytest.mark.parametrize("place", ["folder", "stack"])
def test_a_classifier_is_repeated_bit_for_bit(
    viewer: Any, open_dock: Callable[[str], Any], finish: Callable[[Any], None], tmp_path: Path, place: str
) -> None:
    rng = np.random.default_rng(0)
    planes = rng.integers(0, 255, (8, 40, 40)).astype(np.uint8)
    dock = open_dock("Classify")
    dock.form.widget("architecture").setCurrentText("conv-pool")
    dock.advanced.widget("init").setText("")
    for name, value in {"epochs": 1, "side": 32, "filters": 4, "blocks": 2, "batch": 4}.items():
        dock.advanced.widget(name).setValue(value)
    if place == "stack":
        viewer.add_image(planes, name="eight", scale=(1, 0.5, 0.5), units=("pixel", "um", "um"))
        dock.sources.kind.setCurrentText("planes of a stack")
        dock.sources.planes.setText("rough*4, fine*4")
    else:
        for number, plane in enumerate(planes):
            path = tmp_path / "set" / ("fine", "rough")[number // 4] / f"{number}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(path, plane)
        dock.sources.path.setText(str(tmp_path / "set"))
    dock.run_button.click()
    finish(dock)
    folder, command = script_of(dock.script_button, finish, dock)
    made = load_classifier(dock.trained.path)
    for repeat in (lambda: run_python(folder), lambda: run_command(command)):
        repeat()
        again = load_classifier(folder / RESULT)
        assert [info.name for info in again.classes] == [info.name for info in made.classes]
        assert all(torch.equal(one, other) for one, other in zip(states(made), states(again), strict=True))
        (folder / RESULT).unlink()


def states(classifier: Classifier) -> list[torch.Tensor]:
    return list(classifier.net.state_dict().values())


@pytest.mark.parametrize("material", ["Polycrystal", "Steel textures", "Ising lattices"])
def test_pictures_are_repeated_bit_for_bit(
    open_dock: Callable[[str], Any], finish: Callable[[Any], None], tmp_path: Path, material: str
) -> None:
    dock = open_dock("Synthesize")
    dock.material_menu.setCurrentText(material)
    dock.polycrystal.size.setCurrentIndex(0)
    dock.lattice.form.widget("sweeps").setValue(7)
    dock.count.setValue(2)
    dock.folder.folder = tmp_path / "made"
    dock.run_button.click()
    finish(dock)
    folder, command = script_of(dock.script_button, finish, dock)
    for repeat in (lambda: run_python(folder), lambda: run_command(command)):
        repeat()
        for path in (tmp_path / "made").rglob("*.tif"):
            again = folder / "pictures" / path.relative_to(tmp_path / "made")
            assert np.array_equal(read_labels(again), read_labels(path))
            again.unlink()


@pytest.mark.parametrize("name", ["Annotate & train", "Segment", "Synthesize", "Classify"])
def test_nothing_done_is_told(open_dock: Callable[[str], Any], told: list[str], name: str) -> None:
    dock = open_dock(name)
    dock.script_button.click()
    assert "Nothing was done" in told[0]


def test_a_changed_image_or_scale_gets_a_file_of_its_own(tmp_path: Path, discs: np.ndarray) -> None:
    path = tmp_path / "steel.tif"
    tifffile.imwrite(path, discs)
    for number, (pixels, size) in enumerate(
        [(discs, None), (255 - discs, None), (discs, Calibration((2, 2), "nm", "x"))]
    ):
        source = Micrograph(pixels, "YX", size, "steel", path)
        folder = tmp_path / str(number)
        script = result_of(write_script(Reading(source, "grain-boundaries", SegmentConfig(), "float32"), folder))
        assert (str(path) in script.command) == (number == 0)
        assert (folder / "001 steel.tif").exists() == (number > 0)


def test_file_pairs_are_named_as_they_are(tmp_path: Path, discs: np.ndarray, strokes: np.ndarray) -> None:
    data = [
        FilePair(Path("a.tif"), Path("a_mask.tif")),
        FilePair(Path("v.tif"), Path("v_mask.tif"), validation=True),
        PaintedImage(Micrograph(discs, "YX", None, "in: memory"), strokes),
    ]
    lesson = Lesson(data, CLASSES, TrainConfig(), None, live=True)
    script = result_of(write_script(lesson, tmp_path))
    assert "--images a.tif --images" in script.command
    assert "--validation-images v.tif --validation-labels v_mask.tif" in script.command
    assert "read_annotated('v.tif', 'v_mask.tif', validation=True)" in script.python
    assert "# Limited by time" in script.python
    assert "# The annotation changed" in script.python
    assert np.array_equal(read_labels(tmp_path / "003 in memory_labels.tif"), strokes)

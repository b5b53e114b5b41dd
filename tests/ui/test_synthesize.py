from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_microcnn.config import SteelConfig, TransitionConfig, VoronoiConfig
from napari_microcnn.synth import PARTICLE_LOOKS, ising, nanoparticles, polycrystal, steel
from napari_microcnn.ui.layers import KEY
from napari_microcnn.ui.synthesize import SynthesizeDock

NAMES = ["synthetic image", "synthetic grains", "synthetic boundaries", "synthetic triple points"]
SMALL = SteelConfig(height=128, width=128)


@pytest.fixture
def dock(open_dock: Callable[[str], Any]) -> SynthesizeDock:
    return open_dock("Synthesize")


@pytest.fixture
def drawn(dock: SynthesizeDock, qtbot: Any) -> Callable[[], None]:
    return lambda: qtbot.waitUntil(lambda: not dock.drawing, timeout=30_000)


def test_draw_shows_the_picture_and_its_labels(viewer: Any, dock: SynthesizeDock, drawn: Callable[[], None]) -> None:
    dock.polycrystal.size.setCurrentIndex(0)
    dock.draw_button.click()
    drawn()
    assert [layer.name for layer in viewer.layers] == NAMES
    expected = polycrystal(*dock.polycrystal.settings(), dock.seed.value())
    np.testing.assert_array_equal(viewer.layers[0].data, expected.image)
    np.testing.assert_array_equal(viewer.layers[1].data, expected.structure.grains)
    np.testing.assert_array_equal(viewer.layers[2].data, expected.structure.boundaries)
    assert len(viewer.layers[3].data) == len(expected.structure.triple_points)


def test_the_picture_follows_the_sliders_in_place(viewer: Any, dock: SynthesizeDock, drawn: Callable[[], None]) -> None:
    dock.polycrystal.size.setCurrentIndex(0)
    dock.draw_button.click()
    drawn()
    before = viewer.layers[0].data.copy()
    dock.polycrystal.structure.widget("regularity").setValue(0.95)
    drawn()
    assert not np.array_equal(viewer.layers[0].data, before)
    before = viewer.layers[0].data.copy()
    dock.new_seed.click()
    drawn()
    assert not np.array_equal(viewer.layers[0].data, before)
    assert [layer.name for layer in viewer.layers] == NAMES


def test_sliders_do_not_bring_back_removed_layers(viewer: Any, dock: SynthesizeDock, drawn: Callable[[], None]) -> None:
    dock.polycrystal.structure.widget("regularity").setValue(0.95)
    drawn()
    assert len(viewer.layers) == 0


def test_grains_keep_their_size_when_the_picture_grows(dock: SynthesizeDock) -> None:
    dock.polycrystal.size.setCurrentIndex(0)
    small = dock.polycrystal.settings()[0]
    dock.polycrystal.size.setCurrentIndex(2)
    large = dock.polycrystal.settings()[0]
    assert (large.height, large.width) == (1024, 1024)
    assert large.grains == pytest.approx(16 * small.grains, rel=0.01)


def test_every_look_can_be_chosen(dock: SynthesizeDock) -> None:
    for index in range(dock.polycrystal.look.count()):
        dock.polycrystal.look.setCurrentIndex(index)
        structure, _ = dock.polycrystal.settings()
        assert isinstance(structure, VoronoiConfig)


def test_training_pictures_are_written(dock: SynthesizeDock, finish: Callable[[Any], None], tmp_path: Path) -> None:
    dock.polycrystal.size.setCurrentIndex(0)
    dock.count.setValue(3)
    dock.seed.setValue(5)
    dock.folder.folder = tmp_path / "made"
    dock.run_button.click()
    assert dock.stop_button.isEnabled()
    finish(dock)
    assert "Wrote 3 pictures" in dock.status.text()
    for name in ("images", "labels", "grains"):
        assert [path.name for path in sorted((tmp_path / "made" / name).iterdir())] == [
            f"voronoi_{n:06d}.tif" for n in (5, 6, 7)
        ]


def test_steels_are_drawn_and_written(
    viewer: Any, dock: SynthesizeDock, drawn: Callable[[], None], finish: Callable[[Any], None], tmp_path: Path
) -> None:
    dock.material_menu.setCurrentText("Steel textures")
    dock.steel.size.setCurrentIndex(0)
    dock.draw_button.click()
    drawn()
    np.testing.assert_array_equal(viewer.layers["synthetic steel"].data, steel(SMALL, "martensite", 0).image)
    dock.steel.kind.setCurrentText("pearlite")
    dock.steel.form.widget("spacing").setValue(9)
    drawn()
    wider = SMALL.model_copy(update={"spacing": 9.0})
    np.testing.assert_array_equal(viewer.layers["synthetic steel"].data, steel(wider, "pearlite", 0).image)
    assert len(viewer.layers) == 1
    dock.count.setValue(5)
    dock.folder.folder = tmp_path / "made"
    dock.run_button.click()
    finish(dock)
    assert "Wrote 5 pictures, in a folder for each kind of steel" in dock.status.text()
    assert len(list((tmp_path / "made" / "martensite").iterdir())) == 2
    assert (tmp_path / "made" / "steel.csv").read_text().count("\n") == 6


def test_nanoparticles_are_drawn_with_their_numbers_and_written(
    viewer: Any, dock: SynthesizeDock, drawn: Callable[[], None], finish: Callable[[Any], None], tmp_path: Path
) -> None:
    dock.material_menu.setCurrentText("Nanoparticles")
    dock.particles.size.setCurrentIndex(0)
    dock.particles.look.setCurrentText("HAADF")
    drawn()
    made = nanoparticles(PARTICLE_LOOKS["HAADF"], 0)
    np.testing.assert_array_equal(viewer.layers["synthetic nanoparticles"].data, made.image)
    np.testing.assert_array_equal(viewer.layers["synthetic particles"].data, made.labels)
    assert f"{made.labels.max()} particles" in dock.status.text()
    dock.particles.forms["Recording"].widget("dose").setValue(7)
    drawn()
    assert dock.particles.settings() == PARTICLE_LOOKS["HAADF"].model_copy(update={"dose": 7.0})
    assert (viewer.layers["synthetic nanoparticles"].data != made.image).any()
    assert len(viewer.layers) == 2
    dock.count.setValue(2)
    dock.folder.folder = tmp_path / "made"
    dock.run_button.click()
    finish(dock)
    assert "Wrote 2 pictures with their labels and particles" in dock.status.text()
    assert len(list((tmp_path / "made" / "particles").iterdir())) == 2


def test_lattices_are_drawn_from_cold_to_hot_and_told_beside_onsager(
    viewer: Any, dock: SynthesizeDock, drawn: Callable[[], None], finish: Callable[[Any], None], tmp_path: Path
) -> None:
    dock.material_menu.setCurrentText("Ising lattices")
    for name, value in {"side": 16, "coldest": 1, "hottest": 4, "temperatures": 3, "sweeps": 5}.items():
        dock.lattice.form.widget(name).setValue(value)
    dock.seed.setValue(2)  # the hottest comes first then
    dock.draw_button.click()
    drawn()
    made = sorted((ising(dock.lattice.settings(), seed) for seed in (2, 3, 4)), key=lambda one: one.temperature)
    np.testing.assert_array_equal(viewer.layers["synthetic Ising"].data, np.stack([one.image for one in made]))
    known = viewer.layers["synthetic Ising"].metadata[KEY]
    assert known["plane_classes"] == ["below", "above", "above"]
    for plane, exact in ((0, "(Onsager -1.997)"), (2, "(Yang 0.000)")):
        viewer.dims.set_current_step(0, plane)
        assert f"T = {made[plane].temperature:.3f} · energy {made[plane].energy:.3f}" in dock.status.text()
        assert exact in dock.status.text()
    dock.count.setValue(3)
    dock.folder.folder = tmp_path
    dock.run_button.click()
    finish(dock)
    assert [len(list((tmp_path / name).iterdir())) for name in ("below", "above")] == [1, 2]


def test_lattices_of_temperatures_in_the_wrong_order_are_told(dock: SynthesizeDock, told: list[str]) -> None:
    dock.material_menu.setCurrentText("Ising lattices")
    dock.lattice.form.widget("coldest").setValue(4)
    dock.draw_button.click()
    assert told == ["The lowest temperature (4) lies above the highest (3.27); exchange them."]


def test_materials_have_layers_of_their_own(viewer: Any, dock: SynthesizeDock, drawn: Callable[[], None]) -> None:
    dock.polycrystal.size.setCurrentIndex(0)
    dock.draw_button.click()
    drawn()
    dock.material_menu.setCurrentText("Steel textures")
    dock.steel.form.widget("blur").setValue(2)
    drawn()
    assert [layer.name for layer in viewer.layers] == NAMES
    dock.draw_button.click()
    drawn()
    assert [layer.name for layer in viewer.layers] == [*NAMES, "synthetic steel"]


def test_making_pictures_can_be_stopped(
    qtbot: Any, dock: SynthesizeDock, finish: Callable[[Any], None], tmp_path: Path
) -> None:
    dock.count.setValue(100_000)
    dock.folder.folder = tmp_path
    dock.run_button.click()
    qtbot.waitUntil(lambda: "Picture" in dock.status.text(), timeout=30_000)
    dock.stop_button.click()
    finish(dock)
    assert "Stopped" in dock.status.text()
    assert dock.run_button.isEnabled()


def test_a_folder_that_cannot_be_written_is_told(
    dock: SynthesizeDock, finish: Callable[[Any], None], tmp_path: Path, told: list[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    dock.folder.folder = tmp_path / "file" / "below"
    dock.run_button.click()
    finish(dock)
    assert len(told) == 1
    assert "file" in told[0]
    assert dock.run_button.isEnabled()


def test_the_transition_is_found_and_drawn_beside_onsager(
    dock: SynthesizeDock, finish: Callable[[Any], None], tmp_path: Path, told: list[str]
) -> None:
    dock.material_menu.setCurrentText("Ising lattices")
    for name, value in {"side": 16, "temperatures": 7, "sweeps": 10}.items():
        dock.lattice.form.widget(name).setValue(value)
    section = dock.transition
    section.form.set_value(TransitionConfig(repeats=6, networks=1, epochs=8))
    dock.folder.folder = tmp_path
    section.button.click()
    section.button.click()
    assert told == ["A job of this dock is running; find the transition when it has ended."]
    finish(dock)
    found = section.plot.shown
    assert found is not None, dock.status.text()
    assert section.plot.exact.value() == pytest.approx(2.2692, abs=1e-4)
    assert section.plot.band.getRegion() == pytest.approx((found.place - found.margin, found.place + found.margin))
    assert "crosses one half at" in dock.status.text()
    assert {path.name for path in (tmp_path / "transition").iterdir()} == {
        "outputs.csv", "transition.csv", "transition.json", "transition.png", "phases-1.safetensors",
    }  # fmt: skip
    assert "phases-1" in [model.name for model in dock.session.models]


def test_stopping_the_transition_keeps_the_finished_networks(
    qtbot: Any, dock: SynthesizeDock, finish: Callable[[Any], None], tmp_path: Path
) -> None:
    dock.material_menu.setCurrentText("Ising lattices")
    for name, value in {"side": 16, "temperatures": 7, "sweeps": 10}.items():
        dock.lattice.form.widget(name).setValue(value)
    dock.transition.form.set_value(TransitionConfig(repeats=6, networks=50, epochs=8))
    dock.folder.folder = tmp_path
    dock.transition.button.click()
    qtbot.waitUntil(lambda: "network 2" in dock.status.text() and dock._reached is not None, timeout=60_000)
    dock.stop_button.click()
    finish(dock)
    assert dock.transition.plot.shown is not None
    assert "crosses one half at" in dock.status.text()
    assert (tmp_path / "transition" / "transition.json").exists()
    assert "phases-1" in [model.name for model in dock.session.models]


def test_the_transition_belongs_to_lattices(dock: SynthesizeDock, told: list[str]) -> None:
    assert dock.transition.isHidden() or dock.transition.parentWidget().parentWidget().isHidden()
    dock.material_menu.setCurrentText("Ising lattices")
    assert not dock.transition.parentWidget().parentWidget().isHidden()
    dock.lattice.form.widget("coldest").setValue(5)
    dock.transition.button.click()
    assert "lies above the highest" in told[0]

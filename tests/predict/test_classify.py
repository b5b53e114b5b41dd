"""Classes of images, of stacks and of tiles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch import Tensor, nn

from napari_microcnn.config import ClassifierConfig, ClassifyConfig, ClassInfo
from napari_microcnn.data.collections import ClassifiedImage, Collection, named_classes
from napari_microcnn.data.orientations import orientations_of
from napari_microcnn.events import Finished, Notice, Progress, result_of
from napari_microcnn.micrograph import Calibration, Micrograph
from napari_microcnn.models import Classifier, ModelError, load_classifier, load_model, open_model, save_classifier
from napari_microcnn.models.looking import image_logits, window_logits
from napari_microcnn.nets.classifiers import build_classifier
from napari_microcnn.predict.classify import classify
from napari_microcnn.predict.judging import evaluate

CLASSES = tuple(ClassInfo(id=i, name=name, colour="#000000") for i, name in ((3, "dark"), (7, "bright")))
LIMITS_SIDE = 16


class Brightness(nn.Module):
    """Says how bright the upper left quarter of a window is: what it says depends on the orientation."""

    def __init__(self, channels: int = 1) -> None:
        super().__init__()
        self.config = ClassifierConfig(channels=channels)
        self.scale = nn.Parameter(torch.tensor(3.0))

    def forward(self, x: Tensor) -> Tensor:
        value = self.scale * x[:, :, :8, :8].mean(dim=(1, 2, 3))
        return torch.stack([-value, value], dim=1)


def classifier(channels: int = 1, **changes: Any) -> Classifier:
    return Classifier(Brightness(channels).eval(), CLASSES, LIMITS_SIDE, **changes)


def halves(height: int = 64, width: int = 96) -> np.ndarray:
    image = np.full((height, width), 50.0)
    image[:, width // 2 :] = 200
    return image + np.random.default_rng(0).normal(0, 5, image.shape)


def test_an_image_gets_a_class_with_its_probability() -> None:
    found = result_of(classify(halves()[:, :60], classifier()))
    one = found.planes[0]
    assert one.class_id in (3, 7)
    assert one.probabilities.sum() == pytest.approx(1)
    assert one.plane == ()
    row = found.rows()[0]
    assert row["class"] == {3: "dark", 7: "bright"}[one.class_id]
    assert row["probability"] == pytest.approx(max(row["p(dark)"], row["p(bright)"]))


def test_the_map_lies_on_the_image() -> None:
    image = halves(64, 96)
    found = result_of(classify(image, classifier(), ClassifyConfig(tiles=True, overlap=0.5))).planes[0].tiles
    assert found.classes.shape == (8, 12)
    assert found.step == (8.0, 8.0)
    assert (found.classes[:, :5] == 3).all()
    assert (found.classes[:, 7:] == 7).all()
    np.testing.assert_allclose(found.probabilities.sum(axis=2), 1, rtol=1e-5)
    odd = result_of(classify(image[:50, :70], classifier(), ClassifyConfig(tiles=True))).planes[0].tiles
    np.testing.assert_allclose(np.array(odd.step) * odd.classes.shape, (50, 70))


def test_tiles_do_not_depend_on_how_many_are_computed_at_once() -> None:
    image = halves()
    one, many = (
        result_of(classify(image, classifier(), ClassifyConfig(tiles=True, batch=batch))).planes[0].tiles
        for batch in (1, 64)
    )
    np.testing.assert_allclose(one.probabilities, many.probabilities, atol=1e-6)


def test_a_lazy_stack_is_classified_plane_by_plane() -> None:
    stack = np.stack([halves(), halves()[:, ::-1]])
    lazy = Micrograph(da.from_array(stack, chunks=(1, 32, 32)), "ZYX", name="stack")
    events = list(classify(lazy, classifier()))
    found = events[-1].result
    assert [one.plane for one in found.planes] == [(0,), (1,)]
    assert [row["image"] for row in found.rows()] == ["stack [0]", "stack [1]"]
    assert [event.done for event in events if isinstance(event, Progress)] == [1, 2]


def test_orientations_are_averaged_as_the_classifier_allows() -> None:
    image = np.zeros((16, 16))
    image[:8, :8] = 1  # bright only where the network looks
    plain = result_of(classify(image, classifier()))
    turned = result_of(classify(image, classifier(flips=True, turns=True)))
    assert plain.computed["orientations"] == 1
    assert turned.computed["orientations"] == 8
    assert turned.planes[0].probabilities[1] < plain.planes[0].probabilities[1] - 0.2
    again = result_of(classify(image, classifier(flips=True, turns=True), ClassifyConfig(orientations=1)))
    np.testing.assert_allclose(again.planes[0].probabilities, plain.planes[0].probabilities)


def test_temperatures_of_image_and_tiles() -> None:
    image = halves()[:, :16]
    shares = [
        result_of(
            classify(image, classifier(temperature=t, tile_temperature=2 * t), ClassifyConfig(tiles=True))
        ).planes[0]
        for t in (1.0, 50.0)
    ]
    assert shares[1].probabilities.max() < 0.52
    assert shares[1].tiles.probabilities.max() < shares[0].tiles.probabilities.max()


def test_pixel_sizes_bring_the_image_to_the_size_of_the_training_images() -> None:
    coarse, fine = Calibration((0.5, 0.5), "um", "test"), Calibration((250, 250), "nm", "test")
    image = Micrograph(halves(), "YX", fine, "fine")
    events = list(classify(image, classifier(pixel_size=coarse), ClassifyConfig(tiles=True, overlap=0)))
    assert "resampled by 0.5" in next(event.message for event in events if isinstance(event, Notice))
    found = events[-1].result
    assert found.computed["magnification"] == 0.5
    assert found.planes[0].tiles.step == (32, 32)
    same = list(classify(image, classifier(pixel_size=fine)))
    assert not [event for event in same if isinstance(event, Notice)]
    far = Calibration((50, 50), "um", "test")
    assert "means little" in next(iter(classify(image, classifier(pixel_size=far)))).message
    asked = result_of(classify(image, classifier(pixel_size=coarse), ClassifyConfig(magnification=2)))
    assert asked.computed["magnification"] == 2


def test_other_channels_are_refused_but_colours_are_not() -> None:
    with pytest.raises(ValueError, match=r"takes images with 1 channel\(s\), this image has 5"):
        list(classify(Micrograph(np.zeros((20, 20, 5)), "YXC"), classifier()))
    assert result_of(classify(Micrograph(np.random.default_rng(0).random((20, 20, 3)), "YXC"), classifier())).planes


def test_closing_stops_within_a_row_of_tiles() -> None:
    job = classify(halves(), classifier(), ClassifyConfig(tiles=True))
    assert isinstance(next(job), Progress)
    job.close()
    assert list(job) == []


def test_evaluating_matches_classes_by_name() -> None:
    dark, bright = np.full((16, 16), 0.0), np.zeros((16, 16))
    bright[:8, :8] = 1
    dark[8:, 8:] = 1
    images = tuple(
        ClassifiedImage(pixels, index, name, name)
        for name, index, pixels in (("a", 0, bright), ("b", 1, dark), ("c", 0, dark))
    )
    collection = Collection(images, named_classes(["bright", "dark"]), ("told",))
    events = list(evaluate(collection, classifier()))
    assert isinstance(events[0], Notice)
    assert isinstance(events[-1], Finished)
    # The classifier's order is dark, bright.
    assert events[-1].result.confusion.tolist() == [[1, 0], [1, 1]]
    assert events[-1].result.worst() == [2]
    with pytest.raises(ValueError, match="does not know the class 'grey'; its classes are: dark, bright"):
        list(evaluate(Collection(images, named_classes(["bright", "grey"])), classifier()))


# Files


def saved(path: Path) -> Path:
    config = ClassifierConfig(filters=2, blocks=1)
    size = Calibration((0.5, 0.25), "nm", "test")
    made = Classifier(build_classifier(config).eval(), CLASSES, 16, pixel_size=size, temperature=1.5, flips=True)
    return save_classifier(made, path)


def test_what_a_file_holds_is_found_out(tmp_path: Path) -> None:
    path = saved(tmp_path / "c")
    found = open_model(path)
    assert isinstance(found, Classifier)
    assert (found.temperature, found.flips, found.turns, found.pixel_size.pixel_size) == (1.5, True, False, (0.5, 0.25))
    assert not isinstance(open_model("grain-boundaries"), Classifier)
    with pytest.raises(ModelError, match="is a classifier"):
        load_model(path)
    with pytest.raises(ModelError, match="is a segmenter"):
        load_classifier("grain-boundaries")


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "c.safetensors")
    content = path.read_bytes()
    for name, old, new in (("side", b'side\\":16', b'side\\":-6'), ("do not fit", b"head.bias", b"head.bios")):
        assert content.count(old) >= 1
        path.write_bytes(content.replace(old, new))
        with pytest.raises(ModelError, match=name):
            load_classifier(path)


def test_a_classifier_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ModelError, match="as many different classes"):
        Classifier(Brightness(), CLASSES[:1], 16)
    with pytest.raises(ModelError, match="takes windows of 64 pixels"):
        Classifier(build_classifier(ClassifierConfig(architecture="mlp", hidden=4)), CLASSES, 16)


def test_many_windows_share_the_orientations() -> None:
    orientations = orientations_of(flips=True, turns=True)
    windows = np.random.default_rng(0).random((16, 1, 16, 16)).astype(np.float32)
    net = Brightness().eval()
    every = window_logits(net, windows[:2], orientations).mean(axis=0)
    np.testing.assert_allclose(image_logits(net, windows[:2], orientations), every, atol=1e-6)
    seen: list[int] = []
    counting = nn.Sequential(net)
    counting.register_forward_hook(lambda module, inputs, output: seen.append(len(inputs[0])))
    image_logits(counting, windows, orientations)
    assert seen == [4] * 8


def test_a_databar_is_not_looked_at() -> None:
    field = (halves(150, 192) * 0.5).astype(np.uint8)
    bar = Image.new("L", (192, 30), 255)
    ImageDraw.Draw(bar).text((4, 8), "20 kV x5,000 SE 1 µm", fill=0)
    whole = np.concatenate([np.asarray(bar), field])
    config = ClassifyConfig(tiles=True)
    found, alone = (result_of(classify(image, classifier(), config)).planes[0] for image in (whole, field))
    np.testing.assert_array_equal(found.probabilities, alone.probabilities)
    np.testing.assert_array_equal(found.tiles.probabilities, alone.tiles.probabilities)
    assert (found.tiles.origin, alone.tiles.origin) == ((30, 0), (0, 0))

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from napari_microcnn.config import ClassInfo, ObjectRule, UNetConfig
from napari_microcnn.models import Model, save_model
from napari_microcnn.nets import UNet


def halves(side: int = 64, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return a picture with a dark and a bright half, and strokes in both."""
    rng = np.random.default_rng(seed)
    image = rng.normal(60, 5, (side, side))
    image[:, side // 2 :] += 120
    strokes = np.zeros((side, side), np.uint8)
    strokes[4:-4, 8:12] = 1
    strokes[4:-4, -12:-8] = 2
    return image.clip(0, 255).astype(np.uint8), strokes


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Make a folder with images/, strokes/ and dense/, of two pictures each."""
    for name in ("images", "strokes", "dense"):
        (tmp_path / name).mkdir()
    for seed in range(2):
        image, strokes = halves(seed=seed)
        # ImageJ's way to say 0.5 µm per pixel
        tifffile.imwrite(
            tmp_path / "images" / f"p{seed}.tif", image, imagej=True, resolution=(2, 2), metadata={"unit": "um"}
        )
        tifffile.imwrite(tmp_path / "strokes" / f"p{seed}.tif", strokes)
        tifffile.imwrite(tmp_path / "dense" / f"p{seed}.tif", (image > 120).astype(np.uint8))
    return tmp_path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Save a tiny network that was never trained."""
    torch.manual_seed(0)
    classes = (ClassInfo(id=1, name="dark", colour="#000000"), ClassInfo(id=2, name="bright", colour="#ffffff"))
    net = UNet(UNetConfig(width=2, depth=1)).eval()
    return save_model(Model(net, classes, ObjectRule(kind="particles", class_id=2)), tmp_path / "tiny.safetensors")

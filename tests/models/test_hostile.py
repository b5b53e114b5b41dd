"""Model files made to do harm: refused, nothing executed, nothing written outside."""

from __future__ import annotations

import json
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from napari_microcnn.config import ClassifierConfig, ClassInfo, UNetConfig
from napari_microcnn.models import Model, ModelError, load_model, open_model, save_model
from napari_microcnn.models.foreign import read_weights
from napari_microcnn.models.zoo import import_zoo
from napari_microcnn.nets import UNet, build_classifier

CLASSES = (ClassInfo(id=1, name="dark", colour="#000000"), ClassInfo(id=2, name="bright", colour="#ffffff"))
CONFIG = ClassifierConfig(architecture="conv-pool", blocks=1, filters=2, side=16)
OWN = "napari-microcnn.safetensors"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    return save_model(Model(UNet(UNetConfig(width=2, depth=1)).eval(), CLASSES), tmp_path / "tiny.safetensors")


class Payload:
    """Creates a file when it is unpickled."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> Any:
        return Path.touch, (self.place,)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("nested", [True, False])
def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path, zipped: bool, nested: bool) -> None:
    payload: Any = Payload(tmp_path / "executed")
    content = {"state_dict": build_classifier(CONFIG).state_dict(), "extra": payload} if nested else payload
    torch.save(content, tmp_path / "net.pth", _use_new_zipfile_serialization=zipped)
    for open_it in (open_model, load_model, lambda path: read_weights(path, CONFIG)):
        with pytest.raises(ModelError) as error:
            open_it(tmp_path / "net.pth")
        assert "\n" not in str(error.value)
        assert "weights_only" not in str(error.value)  # PyTorch's advice how to run it all the same
    assert not (tmp_path / "executed").exists()


def test_a_bare_pickle_is_refused_whatever_its_name(tmp_path: Path) -> None:
    for name in ("net.pth", "net.pkl", "net.safetensors"):
        (tmp_path / name).write_bytes(pickle.dumps(Payload(tmp_path / "executed")))
        for open_it in (open_model, lambda path: read_weights(path, CONFIG)):
            with pytest.raises(ModelError):
                open_it(tmp_path / name)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("cut", [0.05, 0.3, 0.6, 0.95])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_damaged_checkpoint_is_refused(tmp_path: Path, zipped: bool, cut: float) -> None:
    path = tmp_path / "net.pth"
    torch.save(build_classifier(CONFIG).state_dict(), path, _use_new_zipfile_serialization=zipped)
    path.write_bytes(path.read_bytes()[: int(cut * path.stat().st_size)])
    with pytest.raises(ModelError, match="cannot be read as weights"):
        read_weights(path, CONFIG)


@pytest.mark.parametrize("name", ["../escaped.txt", "/tmp/napari-microcnn-escaped.txt", "a/../../escaped.txt", "C:\\x"])
def test_names_in_a_package_never_become_paths(tmp_path: Path, model: Path, name: str) -> None:
    package = tmp_path / "sub" / "net.zip"
    package.parent.mkdir()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr(name, "outside")
        archive.write(model, OWN)
    before = sorted(tmp_path.rglob("*"))
    assert import_zoo(package).classes == CLASSES
    assert sorted(tmp_path.rglob("*")) == before
    assert not Path("/tmp/napari-microcnn-escaped.txt").exists()
    with zipfile.ZipFile(package, "w") as archive:
        archive.write(model, f"../{OWN}")
    with pytest.raises(ModelError, match="another program"):
        import_zoo(package)


def test_a_package_that_unpacks_to_far_more_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(OWN, bytes(50_000_000))
    with pytest.raises(ModelError, match="would unpack to 50 MB"):
        import_zoo(tmp_path / "bomb.zip")


def test_a_package_packed_in_ways_nobody_knows_is_refused(tmp_path: Path, model: Path) -> None:
    with zipfile.ZipFile(tmp_path / "net.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.write(model, OWN)
    content = bytearray((tmp_path / "net.zip").read_bytes())
    content[60:90] = bytes(30)
    (tmp_path / "net.zip").write_bytes(content)
    with pytest.raises(ModelError, match="not a package of the zoo, or is damaged"):
        import_zoo(tmp_path / "net.zip")


def rewritten(path: Path, **changes: Any) -> Path:
    """Change the card in a model file."""
    content = path.read_bytes()
    length = struct.unpack_from("<Q", content)[0]
    header = json.loads(content[8 : 8 + length])
    card = json.loads(header["__metadata__"]["napari-microcnn"]) | changes
    header["__metadata__"]["napari-microcnn"] = json.dumps(card)
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)
    path.write_bytes(struct.pack("<Q", len(encoded)) + encoded + content[8 + length :])
    return path


@pytest.mark.parametrize(
    "architecture",
    [
        {"name": "unet", "width": 1 << 40},
        {"name": "unet", "depth": 10**6},
        {"name": "unet", "channels": -3},
        "os.system",
    ],
)
def test_a_card_that_asks_for_a_huge_network_is_refused(model: Path, architecture: Any) -> None:
    with pytest.raises(ModelError):
        open_model(rewritten(model, architecture=architecture))


def test_a_card_that_nests_without_end_is_refused(model: Path) -> None:
    content = model.read_bytes()
    length = struct.unpack_from("<Q", content)[0]
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"]["napari-microcnn"] = "[" * 100_000
    encoded = json.dumps(header).encode()
    model.write_bytes(struct.pack("<Q", len(encoded)) + encoded + content[8 + length :])
    with pytest.raises(ModelError, match="description inside the model"):
        open_model(model)

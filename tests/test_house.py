"""The rules of the house: what may import what, how fast the package starts, what a wheel holds."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import napari_microcnn

ROOT = Path(__file__).parent.parent
TOOLS = Path(sys.executable).parent

pytestmark = pytest.mark.skipif(not (ROOT / "pyproject.toml").exists(), reason="needs the repository")


def run(*words: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(word) for word in words], cwd=cwd, capture_output=True, text=True, check=False)


def test_imports_follow_the_contract() -> None:
    done = run(TOOLS / "lint-imports", "--no-cache")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("where", "line", "broken"),
    [
        ("measure/extra.py", "import napari_microcnn.predict", "Imports run one way"),
        ("io/extra.py", "import napari_microcnn.models", "Imports run one way"),
        ("train/extra.py", "import qtpy", "Only the docks know napari and Qt"),
        ("cli/extra.py", "import napari_microcnn.ui", "Imports run one way"),
        ("stray.py", "", "Imports run one way"),
    ],
)
def test_the_contract_notices(where: str, line: str, broken: str, tmp_path: Path) -> None:
    for name in ("ui", "cli", "train", "predict", "measure", "models", "data", "io", "synth", "nets"):
        (tmp_path / "napari_microcnn" / name).mkdir(parents=True)
        (tmp_path / "napari_microcnn" / name / "__init__.py").touch()
    for name in ("__init__", "micrograph", "config", "events", "device"):
        (tmp_path / "napari_microcnn" / f"{name}.py").touch()
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    assert "KEPT" in run(TOOLS / "lint-imports", "--no-cache", cwd=tmp_path).stdout
    (tmp_path / "napari_microcnn" / where).write_text(line)
    done = run(TOOLS / "lint-imports", "--no-cache", cwd=tmp_path)
    assert done.returncode == 1
    assert re.search(rf"{broken}.* BROKEN", done.stdout) or "stray" in done.stdout


def test_importing_the_package_is_light() -> None:
    done = run(sys.executable, "-c", "import sys, napari_microcnn; print(*sys.modules)")
    heavy = {"torch", "napari", "numpy", "scipy", "skimage", "qtpy", "pydantic", "dask"}
    assert not heavy & set(done.stdout.split())


def test_the_command_line_starts_without_torch_and_napari() -> None:
    code = "import sys, napari_microcnn.cli as c; c.main(['--help']); print(*sys.modules)"
    done = run(sys.executable, "-c", code)
    assert "segment" in done.stdout
    assert not {"torch", "napari", "qtpy"} & set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("name", napari_microcnn.__all__)
def test_public_names_are_there_and_documented(name: str) -> None:
    value = getattr(napari_microcnn, name)
    assert name == "__version__" or value.__doc__
    assert name in dir(napari_microcnn)


def test_type_checkers_see_the_public_names() -> None:
    text = Path(napari_microcnn.__file__).read_text(encoding="utf-8")
    seen = re.findall(r"import (\w+) as \1$", text, re.MULTILINE)
    assert set(seen) == set(napari_microcnn.__all__) - {"__version__"}


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'mithril'"):
        _ = napari_microcnn.mithril


def test_a_wheel_holds_all_that_is_needed(tmp_path: Path) -> None:
    done = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        names = {name.removeprefix("napari_microcnn/") for name in wheel.namelist()}
        metadata = wheel.read(next(name for name in wheel.namelist() if name.endswith("METADATA"))).decode()
        assert sum(entry.compress_size for entry in wheel.infolist()) < 30e6
    for wanted in (
        "py.typed",
        "napari.yaml",
        "weights/grain-boundaries.safetensors",
        "weights/grain-boundaries.json",
        "sample_data/nanoporous/nanoporous.tif",
        "sample_data/nanoporous/SOURCE.md",
        "sample_data/ising/ising.npz",
        "sample_data/ising/LICENSE.txt",
    ):
        assert wanted in names
    assert "License-Expression: BSD-3-Clause" in metadata
    assert not re.search(r"^Requires-Dist: torch *==", metadata, re.MULTILINE)


def test_the_changelog_tells_of_this_version() -> None:
    first = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert first is not None
    assert first.group(1) == napari_microcnn.__version__


def test_nothing_is_pinned() -> None:
    """A plugin that pins breaks the environment that it is installed in."""
    text = (ROOT / "pyproject.toml").read_text()
    block = text[text.index("dependencies = [") : text.index("[project.optional-dependencies]")]
    assert not re.search(r'"[^"]*(==|<)[^"]*"', block)


@pytest.mark.parametrize("version", ["2.7.0", "2.8.1+cu126", "2.13.0+cpu", "3.0"])
def test_the_torch_that_is_there_stays(version: str) -> None:
    """As pip judges it: `pip install --dry-run napari-microcnn` would fetch another one only if this failed."""
    wanted = [Requirement(text) for text in requires("napari-microcnn") or []]
    assert all(each.specifier.contains(version) for each in wanted if each.name == "torch")
    users = {each.name for each in wanted if "bench" not in str(each.marker)}
    assert not users & {"torchvision", "torchaudio", "lightning", "monai"}

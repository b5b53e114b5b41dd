"""Files that come slowly, or not at all: the answer of a fast drive, and Ctrl-C is heard."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_microcnn.cli import main
from napari_microcnn.io.lazy import TiffPixels
from napari_microcnn.io.multiscale import open_multiscale
from napari_microcnn.io.read import read_micrograph
from napari_microcnn.predict import large


@pytest.fixture(autouse=True)
def _hears_ctrl_c() -> Iterator[None]:
    """Shells have what they start in the background ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="there it can be seen that a file is being read")
def test_a_file_that_does_not_come_is_given_up(model: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "far.tif"
    os.mkfifo(pipe)
    words = ["segment", str(pipe), "--model", str(model), "-o", str(tmp_path / "out"), "--device", "cpu"]
    script = "import sys; from napari_microcnn.cli import main; sys.exit(main(sys.argv[1:]))"
    never = os.open(pipe, os.O_RDWR)  # writes nothing, but keeps the pipe open
    try:
        with subprocess.Popen([sys.executable, "-c", script, *words], stderr=subprocess.PIPE, text=True) as child:
            opened = Path(f"/proc/{child.pid}/fd")
            while child.poll() is None and not any(os.path.realpath(one) == str(pipe) for one in opened.iterdir()):
                time.sleep(0.05)
            child.send_signal(signal.SIGINT)
            _, heard = child.communicate(timeout=60)
    finally:
        os.close(never)
    assert child.returncode == 130, heard
    assert "Traceback" not in heard
    assert not list((tmp_path / "out").glob("far*"))


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[int], None]], None]:
    """Return a function that makes TIFFs lazy, lets every read of them wait, and calls back with its number."""

    def set_up(on_read: Callable[[int], None]) -> None:
        fast, count = TiffPixels.__getitem__, [0]

        def read_slowly(self: TiffPixels, region: Any) -> np.ndarray[Any, Any]:
            time.sleep(0.005)
            count[0] += 1
            on_read(count[0])
            return fast(self, region)

        monkeypatch.setattr(TiffPixels, "__getitem__", read_slowly)
        monkeypatch.setitem(read_micrograph.__kwdefaults__, "lazy_from_bytes", 1)
        monkeypatch.setattr(large, "_LAZY_FROM", 1)

    return set_up


def test_ctrl_c_while_a_block_comes_and_then_to_the_end(
    model: Path, tmp_path: Path, slow: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "far.tif"
    tifffile.imwrite(path, np.random.default_rng(0).integers(0, 255, (256, 256)).astype(np.uint8), tile=(64, 64))
    words = ["segment", str(path), "--model", str(model), "--tile", "64", "--device", "cpu", "--large", "-o"]
    assert main([*words, str(tmp_path / "fast")]) == 0
    reads: list[int] = []

    def interrupt(number: int) -> None:
        reads.append(number)
        if number == 3:
            signal.raise_signal(signal.SIGINT)

    slow(interrupt)
    assert main([*words, str(tmp_path / "slow")]) == 130
    assert len(reads) >= 3
    assert "Traceback" not in capsys.readouterr().err
    assert not list((tmp_path / "slow").glob("*.csv"))
    assert main([*words, str(tmp_path / "slow")]) == 0
    classes, expected = (open_multiscale(tmp_path / kind / "far.ome.zarr")[0][...] for kind in ("slow", "fast"))
    np.testing.assert_array_equal(classes, expected)

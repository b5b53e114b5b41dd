"""Devices, precision and memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from napari_microcnn import device as module
from napari_microcnn.device import available_memory, describe_device, inference_precision, resolve_device

CPU = torch.device("cpu")


def test_auto_takes_the_fastest_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert resolve_device("auto") == CPU
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert resolve_device("auto").type == "mps"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve_device("auto").type == "cuda"


def test_what_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="'cuda' is not available on this computer; use 'auto' or 'cpu'"):
        resolve_device("cuda")
    with pytest.raises(ValueError, match="Unknown device 'tpu'"):
        resolve_device("tpu")


def test_one_line_for_people() -> None:
    line = describe_device("cpu")
    assert "CPU" in line
    assert "\n" not in line


def test_precision_follows_the_wish_then_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "fast_int8", lambda _: True)
    assert inference_precision(CPU) == inference_precision(CPU, "int8") == torch.int8
    monkeypatch.setattr(module, "fast_int8", lambda _: False)
    with pytest.raises(ValueError, match="takes a processor with VNNI"):
        inference_precision(CPU, "int8")
    monkeypatch.setattr(module, "fast_bfloat16", lambda _: True)
    assert inference_precision(CPU) == torch.bfloat16
    assert inference_precision(CPU, "float32") == torch.float32
    monkeypatch.setattr(module, "fast_bfloat16", lambda _: False)
    assert inference_precision(CPU) == torch.float32
    assert inference_precision(CPU, "bfloat16") == torch.bfloat16
    with pytest.raises(ValueError, match="Unknown precision 'half'"):
        inference_precision(CPU, "half")


def test_bfloat16_on_a_mac_takes_a_system_that_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    mac = torch.device("mps")
    monkeypatch.setattr(torch.backends.mps, "is_macos_or_newer", lambda *_: False)
    with pytest.raises(ValueError, match="takes macOS 14"):
        inference_precision(mac, "bfloat16")
    monkeypatch.setattr(torch.backends.mps, "is_macos_or_newer", lambda *_: True)
    assert inference_precision(mac, "bfloat16") == torch.bfloat16
    assert inference_precision(mac) == torch.float32


def test_memory_that_torch_keeps_on_a_card_is_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("mem_get_info", (500, 1000)), ("memory_reserved", 300), ("memory_allocated", 100)):
        monkeypatch.setattr(torch.cuda, name, lambda _, value=value: value)
    assert available_memory(torch.device("cuda")) == 700


TWO, ONE = ("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")


@pytest.mark.parametrize(
    ("own", "limits", "left"),
    [
        ("0::/", {".": ("1000000", "400000")}, 600_000),
        ("0::/", {".": ("max", "400000")}, None),
        ("0::/slurm/job7/step", {"slurm/job7": ("900000", "100000"), "slurm/job7/step": ("max", "90000")}, 800_000),
        ("0::/slurm/job7", {"slurm": ("500000", "490000"), "slurm/job7": ("900000", "0")}, 10_000),
        ("0::/slurm/job7", {"slurm/job8": ("500000", "490000")}, None),
        ("0::/docker/1f0c", {".": ("1000000", "400000")}, 600_000),  # seen from outside, mounted as the root
        ("0::/../other", {".": ("1000000", "400000"), "other": ("5", "0")}, 600_000),
        ("0::/job", {"job": ("1000", "5000")}, 0),
        ("5:cpu:/a\n4:pids,memory:/job\n0::/a", {"memory/job": ("700000", "200000")}, 500_000),
        ("4:memory:/job", {"memory/job": (str(2**63 - 4096), "200000"), "memory": ("800000", "0")}, 800_000),
    ],
)
def test_memory_is_limited_by_control_groups(
    own: str, limits: dict[str, tuple[str, str]], left: int | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Both versions of them: that of the process, those around it, and no others."""
    monkeypatch.setattr(module, "_CGROUP", tmp_path)
    monkeypatch.setattr(module, "_OWN_GROUP", tmp_path / "own")
    (tmp_path / "own").write_text(own + "\n")
    for place, values in limits.items():
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        for name, value in zip(ONE if "memory" in place else TWO, values, strict=True):
            (tmp_path / place / name).write_text(value + "\n")
    if left is None:
        assert available_memory(CPU) > 2**20
    else:
        assert available_memory(CPU) == left


@pytest.mark.parametrize(
    ("folder", "names", "spare"), [("", TWO, "inactive_file"), ("memory", ONE, "total_inactive_file")]
)
def test_files_that_the_system_keeps_at_hand_take_no_memory(
    folder: str, names: tuple[str, str], spare: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "_CGROUP", tmp_path)
    monkeypatch.setattr(module, "_OWN_GROUP", tmp_path / "own")
    (tmp_path / "own").write_text(f"3:{folder}:/\n")
    (tmp_path / folder).mkdir(exist_ok=True)
    for name, value in zip((*names, "memory.stat"), ("1000000", "900000", f"anon 5\n{spare} 700000"), strict=True):
        (tmp_path / folder / name).write_text(f"{value}\n")
    assert available_memory(CPU) == 800_000


def test_an_image_is_too_large_when_its_segmentation_fills_half_of_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = type("Memory", (), {"available": 92_000_000})
    monkeypatch.setattr(module.psutil, "virtual_memory", lambda: memory)
    assert not module.is_too_large((1000, 1000))
    assert module.is_too_large((1000, 1001))
    assert module.is_too_large((100, 100), (800,))


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has"),
            ", at least 2.1 GB more are needed",
        ),
        (
            RuntimeError("can't allocate memory: you tried to allocate 4096 bytes. Error code 12"),
            ", at least 1 MB more are needed",
        ),
        (RuntimeError("std::bad_alloc"), ""),
        (MemoryError(), ""),
    ],
)
def test_how_much_was_asked_for(error: BaseException, told: str) -> None:
    assert module.wanted_memory(error) == told


def test_how_much_numpy_asked_for() -> None:
    with pytest.raises(MemoryError) as caught:
        np.empty(1 << 50, np.uint8)
    assert module.wanted_memory(caught.value) == ", at least 1125899.9 GB more are needed"

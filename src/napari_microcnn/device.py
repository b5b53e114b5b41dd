"""Where to compute: the processor, its precision and its memory."""

from __future__ import annotations

import ctypes
import math
import os
import platform
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    import torch

_CGROUP, _OWN_GROUP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
_GROUP_FILES = {
    "": ("memory.max", "memory.current", "inactive_file"),
    "memory": ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}
"""By the controller and folder of control groups, version 2 and 1: limit, use, and the part of it that the system gives
back when it is asked for memory."""
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""Of glibc's malloc.h."""
_UNLIMITED = 2**63
_NEVER, _LARGE = 2**31 - 1, 48 << 20

_PLANE_BYTES, _STACK_BYTES = 40, 6
"""Bytes per pixel that the segmentation of a plane needs in memory, and that its result takes."""
_NETWORK_BYTES = 400_000_000
"""What the network and whatever is done block by block needs beside them, for all libraries are loaded."""
_SHARE = 0.5
"""Of the memory that is free: what an image and its segmentation may fill."""


def resolve_device(name: str = "auto") -> torch.device:
    """Return the torch device for ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.

    Raises
    ------
    ValueError
        If the device is unknown, or not available on this computer.
    """
    import torch

    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, usable in available.items() if usable))
    if name not in available:
        raise ValueError(f"Unknown device {name!r}; use 'auto', 'cpu', 'cuda' or 'mps'.")
    if not available[name]:
        usable = " or ".join(repr(kind) for kind in available if available[kind])
        raise ValueError(f"The device {name!r} is not available on this computer; use 'auto' or {usable}.")
    return torch.device(name)


def describe_device(name: str = "auto") -> str:
    """Return one line for people: the processor, its memory and the precision used for prediction."""
    import torch

    device = resolve_device(name)
    precision = str(inference_precision(device)).removeprefix("torch.")
    if device.type == "cuda":
        gigabytes = torch.cuda.get_device_properties(device).total_memory / 1e9
        return f"GPU: {torch.cuda.get_device_name(device)}, {gigabytes:.0f} GB, {precision}"
    gigabytes = psutil.virtual_memory().total / 1e9
    if device.type == "mps":
        return f"GPU: Apple {platform.machine()}, {gigabytes:.0f} GB shared, {precision}"
    return f"CPU: {torch.get_num_threads()} of {os.cpu_count()} cores, {gigabytes:.0f} GB, {precision}"


def fast_bfloat16(device: torch.device) -> bool:
    """Whether the device computes bfloat16 in hardware, faster than float32."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_capability(device)[0] >= 8
    if device.type == "cpu":
        # The processor's own flags, as torch sees them; without one of these bfloat16 is emulated, and slow.
        checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        return any(bool(getattr(torch.cpu, check, lambda: False)()) for check in checks)
    return False


def fast_int8(device: torch.device) -> bool:
    """Whether the device is a processor that multiplies bytes in hardware, and torch can tell it to."""
    import torch

    vnni = getattr(torch.cpu, "_is_vnni_supported", lambda: False)
    return device.type == "cpu" and bool(vnni()) and hasattr(torch.ops.onednn, "qconv2d_pointwise")


def inference_precision(device: torch.device, wanted: str = "auto") -> torch.dtype:
    """Return the precision for prediction: as wanted, or with ``"auto"`` the fastest: int8, bfloat16, float32.

    Raises
    ------
    ValueError
        If `wanted` is not ``"auto"``, ``"float32"``, ``"bfloat16"`` or ``"int8"``, or not possible here.
    """
    import torch

    if wanted not in ("auto", "float32", "bfloat16", "int8"):
        raise ValueError(f"Unknown precision {wanted!r}; use 'auto', 'float32', 'bfloat16' or 'int8'.")
    if wanted == "int8" and not fast_int8(device):
        raise ValueError(
            f"The device {device.type!r} of this computer cannot predict with int8, which takes a processor with "
            "VNNI; use the precision 'auto', 'float32' or 'bfloat16'."
        )
    if wanted == "bfloat16" and device.type == "mps" and not torch.backends.mps.is_macos_or_newer(14, 0):
        raise ValueError(
            "This system cannot compute with bfloat16 on its GPU, which takes macOS 14; use the precision 'auto' or "
            "'float32'."
        )
    if wanted == "int8" or (wanted == "auto" and fast_int8(device)):
        return torch.int8
    if wanted == "bfloat16" or (wanted == "auto" and fast_bfloat16(device)):
        return torch.bfloat16
    return torch.float32


def available_memory(device: torch.device) -> int:
    """Return the bytes that can be used now, on the device or (for CPU and MPS) in the computer."""
    if device.type == "cuda":
        import torch

        free, _ = torch.cuda.mem_get_info(device)
        # What torch keeps for the next results is not free for others, but for us.
        return int(free) + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return _free_memory()


def is_too_large(plane: tuple[int, int], stack: tuple[int, ...] = ()) -> bool:
    """Whether an image of this shape and its segmentation would fill more than `room_for_images`."""
    return filled_memory(plane, stack) > room_for_images()


def room_for_images() -> int:
    """Return the bytes that images and their segmentations may fill: half of the memory that is free."""
    return int(_SHARE * _free_memory())


def needed_memory(plane: tuple[int, int] = (0, 0), stack: tuple[int, ...] = ()) -> int:
    """Return the bytes that an image of this shape, the network and the segmentation take in memory, about.

    Without a plane: what is needed however small the pieces are.
    """
    return filled_memory(plane, stack) + _NETWORK_BYTES


def filled_memory(plane: tuple[int, int], stack: tuple[int, ...] = ()) -> int:
    """Return the bytes that an image of this shape and its segmentation take in memory, about."""
    return int(math.prod(plane) * (_PLANE_BYTES + math.prod(stack) * _STACK_BYTES))


def keep_memory() -> None:
    """Let the C library use again what was freed, until `give_back_memory`.

    Otherwise glibc asks the system for every intermediate result anew, and the system fills it with zeros: the network
    takes 1.3 times as long. Large planes are still given back at once.
    """
    mallopt = _c_function("mallopt")
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _LARGE)
        mallopt(_TRIM_THRESHOLD, _NEVER)


def share_addresses() -> None:
    """Let all threads take memory from one place where ``ulimit -v`` rules: each takes 64 MB of addresses otherwise."""
    mallopt = _c_function("mallopt")
    if mallopt is not None and _limited_memory() < _UNLIMITED:
        mallopt(_ARENA_MAX, 1)


def give_back_memory() -> None:
    """Let the C library hand back what was freed: glibc keeps it otherwise, and the next step comes on top."""
    trim = _c_function("malloc_trim")
    if trim is not None:
        trim(0)


def out_of_memory(error: BaseException) -> bool:
    """Whether an error means that there was no memory left: libraries say it in many ways."""
    if isinstance(error, MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError | SystemError) and any(said in text for said in _MEMORY_IS_OUT)


_MEMORY_IS_OUT = (
    "out of memory", "can't allocate memory", "not enough memory", "could not create a primitive",
    "could not create a memory object", "std::bad_alloc", "can't start new thread", "status_alloc_failed",
    "error return without exception set",
)  # fmt: skip
"""What CUDA and its libraries, PyTorch, oneDNN and Python say when there is no memory for what they were to do.

The last is Python's `SystemError` about an extension that failed and did not say why: PyTorch 2.7, for want of memory.
"""
MEMORY_ERRORS = (MemoryError, RuntimeError, SystemError)
"""What `out_of_memory` is worth asking about."""


def wanted_memory(error: BaseException) -> str:
    """Return how much was asked for, as a part of a sentence, where an error of `out_of_memory` tells that."""
    if isinstance(error, MemoryError) and len(error.args) == 2:
        shape, dtype = error.args  # as numpy says it
        wanted = math.prod(shape) * dtype.itemsize
    elif found := _ASKED_FOR.search(str(error)):
        wanted = int(float(found[1]) * _UNITS[found[2]])
    else:
        return ""
    size = f"{wanted / 1e9:.1f} GB" if wanted >= 1e9 else f"{max(1, round(wanted / 1e6))} MB"
    return f", at least {size} more are needed"


_ASKED_FOR = re.compile(r"tried to allocate ([\d.]+) (bytes|[KMG]iB)", re.IGNORECASE)
"""How PyTorch says it, for a processor in bytes and for a card in larger units."""
_UNITS = {"bytes": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def _c_function(name: str) -> Callable[..., int] | None:
    """Return a function that only glibc has."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None


def _free_memory() -> int:
    return min(int(psutil.virtual_memory().available), _cgroup_memory(), _limited_memory())


def _limited_memory() -> int:
    """Return what ``ulimit -v`` leaves to this process; without a limit a huge number."""
    if not hasattr(psutil, "RLIMIT_AS"):  # only on Linux and FreeBSD
        return _UNLIMITED
    process = psutil.Process()
    limit = int(process.rlimit(psutil.RLIMIT_AS)[0])
    return max(limit - int(process.memory_info().vms), 0) if 0 <= limit < _UNLIMITED - 1 else _UNLIMITED


def _cgroup_memory() -> int:
    """Return what a container or a cluster job may still use; without a limit a huge number."""
    return min((_left_in(folder, *files) for folder, files in _own_groups()), default=_UNLIMITED)


def _own_groups() -> Iterator[tuple[Path, tuple[str, str, str]]]:
    """Yield the folder of every control group that this process is in, and how its files are called.

    A container may see itself as the root; where it is told of its place outside, folders above are all it finds.
    """
    try:
        lines = _OWN_GROUP.read_text(encoding="utf-8").splitlines()
    except OSError:  # no Linux
        return
    for line in lines:
        _, controllers, place = line.split(":", 2)
        parts = PurePosixPath(place).parts[1:]
        for controller in _GROUP_FILES.keys() & set(controllers.split(",")):
            for depth in range(len(parts) + 1):
                if ".." not in parts[:depth]:
                    yield _CGROUP.joinpath(controller, *parts[:depth]), _GROUP_FILES[controller]


def _left_in(folder: Path, limit: str, use: str, spare: str) -> int:
    """Return what the limit of a control group leaves; without one a huge number."""
    try:
        most, used = (folder / limit).read_text(encoding="utf-8").strip(), int((folder / use).read_text("utf-8"))
    except (OSError, ValueError):
        return _UNLIMITED
    return max(int(most) - used + _spare(folder, spare), 0) if most.isdigit() else _UNLIMITED


def _spare(folder: Path, name: str) -> int:
    """Return the bytes of files that are in memory only because nobody else needs it."""
    try:
        kinds = dict(line.split() for line in (folder / "memory.stat").read_text("utf-8").splitlines())
        return int(kinds.get(name, 0))
    except (OSError, ValueError):
        return 0

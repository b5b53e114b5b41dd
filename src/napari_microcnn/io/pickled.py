"""Arrays in pickled files, read without unpickling.

The opcodes are looked at; nothing that they ask for is imported or called.
"""

from __future__ import annotations

import math
import pickletools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

_NUMBERS: Final = re.compile(r"[biuf][1248]")
_RECONSTRUCT = {f"numpy.{core}.multiarray._reconstruct" for core in ("core", "_core")}
_FROM_BUFFER = {f"numpy.{core}.numeric._frombuffer" for core in ("core", "_core")}
_MARK: Final = object()


@dataclass(frozen=True)
class Named:
    """Something that a pickle would import."""

    name: str


@dataclass(eq=False)
class Made:
    """Something that a pickle would make, by calling a function, and the state that it would give it."""

    function: Any
    arguments: Any
    state: Any = None


def parse_pickle(stream: bytes) -> Any:
    """Return what a pickle describes, made of numbers, texts, lists, tuples, dicts, `Named` and `Made`.

    Parameters
    ----------
    stream : bytes
        Of the protocols 0 to 5, without buffers beside it.

    Raises
    ------
    ValueError
        If it is damaged, or has what no program pickles arrays with.
    """
    machine = _Machine()
    try:
        for opcode, argument, _ in pickletools.genops(stream):
            if opcode.name == "STOP":
                return machine.stack.pop()
            machine.take(opcode.name, argument)
    except (IndexError, KeyError, TypeError, AttributeError, UnicodeError, OverflowError) as error:
        raise ValueError(f"its pickle is damaged ({error})") from error
    raise ValueError("its pickle ends early")


def array_of(node: Any) -> np.ndarray[Any, Any] | None:
    """Return the array of numbers that is described; None if it is none."""
    if not isinstance(node, Made) or not isinstance(node.function, Named):
        return None
    if node.function.name in _RECONSTRUCT and isinstance(node.state, tuple) and len(node.state) == 5:
        _, shape, dtype, fortran, data = node.state
    elif node.function.name in _FROM_BUFFER and len(node.arguments) == 4:
        data, dtype, shape, order = node.arguments
        fortran = order == "F"
    else:
        return None
    kind, content = _dtype_of(dtype), _bytes_of(data)
    sizes_known = isinstance(shape, tuple) and all(isinstance(size, int) and size >= 0 for size in shape)
    if kind is None or content is None or not sizes_known or math.prod(shape) * kind.itemsize != len(content):
        return None
    return np.frombuffer(content, kind).reshape(shape, order="F" if fortran is True else "C")


def elements_of(node: Any) -> list[Any]:
    """Return the elements of an array of Python objects that is described; none if it is none."""
    if isinstance(node, Made) and isinstance(node.function, Named) and node.function.name in _RECONSTRUCT:
        elements = node.state[-1] if isinstance(node.state, tuple) and node.state else None
        return elements if isinstance(elements, list) else []
    return []


def _dtype_of(node: Any) -> np.dtype[Any] | None:
    if not isinstance(node, Made) or node.function != Named("numpy.dtype") or not isinstance(node.arguments, tuple):
        return None
    code = node.arguments[0] if node.arguments else None
    order = node.state[1] if isinstance(node.state, tuple) and len(node.state) > 1 else "="
    if not isinstance(code, str) or not _NUMBERS.fullmatch(code) or order not in ("<", ">", "|", "="):
        return None
    return np.dtype(f"{order}{code}")


def _bytes_of(node: Any) -> bytes | None:
    """Return bytes, which pickles for Python 2 hold as text."""
    if isinstance(node, Made) and node.function == Named("_codecs.encode") and isinstance(node.arguments, tuple):
        text = node.arguments[0] if node.arguments else None
        return text.encode("latin1") if isinstance(text, str) else None
    return bytes(node) if isinstance(node, (bytes, bytearray)) else None


class _Machine:
    """The stack and the memo of a pickle."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def take(self, name: str, argument: Any) -> None:
        """Do what an opcode says, but for calls and imports, which are only noted."""
        if name in ("PROTO", "FRAME"):
            return
        if name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name]())
        elif name in _LITERALS:
            self.stack.append(argument)
        elif name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self._memo[len(self._memo) if name == "MEMOIZE" else int(argument)] = self.stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self.stack.append(self._memo[int(argument)])
        elif name.startswith("TUPLE") and name != "TUPLE":
            count = int(name[-1])
            self.stack[-count:] = [tuple(self.stack[-count:])]
        elif name in _GATHERED:
            _GATHERED[name](self, self._above_mark())
        elif name in _TAKEN:
            _TAKEN[name](self, argument)
        else:
            raise ValueError(f"its pickle holds {name}, which no array needs")

    def _above_mark(self) -> list[Any]:
        above = []
        while (item := self.stack.pop()) is not _MARK:
            above.append(item)
        return above[::-1]

    def import_(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self.stack.append(Named(f"{module}.{name}"))

    def import_from_stack(self, _: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.stack.append(Named(f"{module}.{name}"))

    def call(self, _: Any) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        self.stack.append(Made(function, arguments))

    def build(self, _: Any) -> None:
        state, made = self.stack.pop(), self.stack[-1]
        if isinstance(made, Made):
            made.state = state

    def append(self, _: Any) -> None:
        item = self.stack.pop()
        self.extend([item])

    def extend(self, items: list[Any]) -> None:
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(items)

    def set_item(self, _: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.set_items([key, value])

    def set_items(self, items: list[Any]) -> None:
        known = self.stack[-1]
        for key, value in zip(items[::2], items[1::2], strict=True):
            if isinstance(known, dict) and isinstance(key, (str, int, bytes)):
                known[key] = value

    def dictionary(self, items: list[Any]) -> None:
        self.stack.append({})
        self.set_items(items)


_CONSTANTS: Final[dict[str, Callable[[], Any]]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "MARK": lambda: _MARK,
}
_LITERALS: Final = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING",
    "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES",
    "BINBYTES8", "BYTEARRAY8",
}  # fmt: skip
_GATHERED: Final[dict[str, Callable[[_Machine, list[Any]], None]]] = {
    "TUPLE": lambda machine, items: machine.stack.append(tuple(items)),
    "LIST": lambda machine, items: machine.stack.append(items),
    "DICT": _Machine.dictionary,
    "APPENDS": _Machine.extend,
    "SETITEMS": _Machine.set_items,
}
_TAKEN: Final[dict[str, Callable[[_Machine, Any], None]]] = {
    "GLOBAL": _Machine.import_,
    "STACK_GLOBAL": _Machine.import_from_stack,
    "REDUCE": _Machine.call,
    "NEWOBJ": _Machine.call,
    "BUILD": _Machine.build,
    "APPEND": _Machine.append,
    "SETITEM": _Machine.set_item,
}

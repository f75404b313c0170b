"""Values and calls between two processes that do not trust each other.

A message is a JSON tree and a run of raw bytes for the numbers of its tensors. Reading one builds numbers, strings,
lists, tables and tensors, and nothing else: no name in it is imported, no code in it is run. Every size is bounded
(`LIMITS`), and whatever does not fit the format raises `Malformed`.

What cannot be copied is called from afar. A function crosses as a number; on the other side stands a `Remote` that
sends its arguments over and gives back what returns. A module (`torch.nn.Module`) crosses as a shell: its parameters,
buffers, parts and plain settings are copied and kept equal on both sides, its `forward` runs at home. A model of this
package crosses as its class's name, its schema, settings and tensors, and is built anew. Gradients flow through such
calls: the graph stays where it was made, and `backward` asks for the vector-Jacobian product.

Both sides run this same code. The examiner gives the other side no attributes of its objects, only calls of the
functions that it handed over itself.
"""

from __future__ import annotations

import builtins
import contextlib
import copy
import dataclasses
import functools
import importlib
import json
import math
import pkgutil
import random
import re
import socket
import struct
import sys
import types
from collections import OrderedDict
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import (
    TorchDispatchMode,
    _disable_current_modes,
    _get_current_dispatch_mode_stack,
)

from recbyhand.exercises import engine

LIMITS = {
    "text": 4 << 20,  # bytes of JSON in a message
    "raw": 64 << 20,  # bytes of numbers in a message
    "nodes": 200_000,  # values in a message
    "depth": 60,  # lists within lists
    "numel": 1 << 26,  # entries of a tensor, those of size 0 left out of the product
    "objects": 20_000,  # things handed over and not yet forgotten
    "graphs": 256,  # calls that a gradient may still be asked of
    "nested": 40,  # calls within calls
    "pulled": 10_000,  # values taken from an iterator
    "calls": 20_000,  # requests served for one answer
}
_HEADER = struct.Struct(">4sII")
_MAGIC = b"rbh1"
_DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        *(torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.complex128),
        *(torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8, torch.bool),
    )
}
_ARRAY = re.compile(r"[<>|=]?[biufcmM]\d{1,2}(\[\w{1,3}\])?")
_NAME = re.compile(r"[A-Za-z_]\w{0,80}")
_WATCHED = ("time", "recbyhand.layers")  # where a check may exchange a function while it calls
_PLAIN_NAMES = {
    "bool",
    "bool_",
    "int",
    "float",
    "str",
    "Tensor",
    "Parameter",
    "list",
    "tuple",
    "dict",
    "ndarray",
}


class Malformed(Exception):
    """The other side does not keep to the format."""


class Gone(Exception):
    """The other side has ended, or does not answer."""


class Far(Exception):
    """An error on the other side whose type is not one of Python's own."""


# The channel ------------------------------------------------------------------------------------------------


class Channel:
    """Whole messages over a stream socket. Reading waits at most `seconds`, by the clock on the wall."""

    def __init__(self, sock: socket.socket, seconds: float | None = None):
        self.sock, self.seconds = sock, seconds
        sock.settimeout(seconds)

    def send(self, message: dict, raw: list[bytes] = ()) -> None:
        text = json.dumps(message, separators=(",", ":")).encode()
        size = sum(map(len, raw))
        if len(text) > LIMITS["text"] or size > LIMITS["raw"]:
            raise Malformed(f"too large to hand over: {len(text) + size:,} bytes")
        try:
            self.sock.sendall(_HEADER.pack(_MAGIC, len(text), size) + text + b"".join(raw))
        except OSError as error:
            raise Gone(f"the other side is gone ({type(error).__name__})") from None

    def receive(self) -> tuple[dict, memoryview]:
        magic, text, raw = _HEADER.unpack(self._read(_HEADER.size))
        if magic != _MAGIC:
            raise Malformed("that is no message")
        if text > LIMITS["text"] or raw > LIMITS["raw"]:
            raise Malformed(f"a message of {text + raw:,} bytes")
        try:
            message = json.loads(bytes(self._read(text)))
        except (ValueError, RecursionError) as error:
            raise Malformed(f"no JSON: {type(error).__name__}") from None
        if not isinstance(message, dict):
            raise Malformed("a message is an object")
        return message, memoryview(self._read(raw))

    def _read(self, size: int) -> bytearray:
        data, at = bytearray(size), 0
        view = memoryview(data)
        while at < size:
            try:
                got = self.sock.recv_into(view[at:], size - at)
            except TimeoutError:
                raise Gone(f"no answer within {self.seconds:g} s by the clock on the wall") from None
            except OSError as error:
                raise Gone(f"the other side is gone ({type(error).__name__})") from None
            if not got:
                raise Gone("the other side has ended")
            at += got
        return data


# What stands for a thing on the other side ------------------------------------------------------------------


class Remote:
    """A function, or any other object, of the other side."""

    def __init__(self, peer: Peer, number: int, text: str):
        self._peer, self._number, self._text = peer, number, text

    def __repr__(self) -> str:
        return self._text

    def __deepcopy__(self, memo: dict) -> Remote:
        return self

    def __bool__(self) -> bool:
        if isinstance(self, RemoteCall):
            return True
        raise TypeError(f"a {type(self).__name__} is neither True nor False")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._peer.attribute(self._number, name)


class RemoteCall(Remote):
    def __call__(self, *args: Any, **named: Any) -> Any:
        return self._peer.call(self._number, args, named)


class RemoteIterator(Remote):
    """Values that came from an iterator: they can be gone through, and are not a list."""

    def __init__(self, peer: Peer, values: list, text: str):
        super().__init__(peer, -1, text)
        self._values = values

    def __iter__(self) -> Iterator:
        return iter(self._values)


class _RemoteClass(type):
    """A class of the other side: calling it builds the object there."""

    def __call__(cls, *args: Any, **named: Any) -> Any:
        return cls._rbh[0].call(cls._rbh[1], args, named)

    def __deepcopy__(cls, memo: dict) -> type:
        return cls


class _Shell:
    """What all shells of modules have in common; comes first among their classes."""

    def forward(self, *args: Any, **named: Any) -> Any:
        peer, number = self._rbh
        return peer.call(number, args, named, self)

    def __call__(
        self, *args: Any, **named: Any
    ) -> Any:  # hooks of the shell itself run here, as in any module
        return nn.Module.__call__(self, *args, **named)

    def __getattr__(self, name: str) -> Any:
        try:
            return nn.Module.__getattr__(self, name)
        except AttributeError:
            if name.startswith("_"):
                raise
        peer, number = self._rbh
        return peer.attribute(number, name)

    def __deepcopy__(self, memo: dict) -> nn.Module:
        """Tensors of its own, the same home."""
        made = type(self).__new__(type(self))
        nn.Module.__init__(made)
        memo[id(self)] = made
        for name, value in vars(self).items():
            made.__dict__[name] = value if name == "_rbh" else copy.deepcopy(value, memo)
        return made


def _safe(name: Any, fallback: str) -> str:
    """A type's name from the other side: an identifier, and not the name of a type that checks ask for."""
    ok = isinstance(name, str) and _NAME.fullmatch(name) and name not in _PLAIN_NAMES
    return name if ok else fallback


@functools.cache
def _known_classes() -> dict[str, type]:
    """Module classes that both sides have, by their full name."""
    import recbyhand.layers
    import recbyhand.models
    from recbyhand.models.base import Recommender

    found = {"Recommender": Recommender}
    for home in (nn, recbyhand.layers, recbyhand.models):
        for name in dir(home):
            thing = getattr(home, name)
            if isinstance(thing, type) and issubclass(thing, nn.Module):
                found.setdefault(name, thing)
    return found


@functools.cache
def _names_of_classes() -> dict[type, str]:
    return {value: name for name, value in _known_classes().items()}


@functools.cache
def _data_classes() -> dict[str, type]:
    """Plain containers, settings and tensors with names: those of `recbyhand.data`, and what audit and trial report."""
    import recbyhand.data

    names = [module.name for module in pkgutil.iter_modules(recbyhand.data.__path__, "recbyhand.data.")]
    found = {}
    for home in (*names, "recbyhand.inspect.audit", "recbyhand.inspect.trial"):
        for name, thing in vars(importlib.import_module(home)).items():
            if isinstance(thing, type) and dataclasses.is_dataclass(thing) and thing.__module__ == home:
                found[name] = thing
    return found


def _is_model(module: nn.Module) -> bool:
    """One of the package's own models, whole: it can be built anew from schema, settings and tensors."""
    from recbyhand.models.base import Recommender

    known = type(module) in _names_of_classes() and isinstance(module, Recommender)
    return known and hasattr(module, "schema") and type(module) is not Recommender


# Writing ----------------------------------------------------------------------------------------------------


class _Writer:
    """A value as a JSON tree, and the bytes that belong to it."""

    def __init__(self, peer: Peer, known: dict[int, int] | None = None, keep_graph: bool = False):
        self.peer = peer
        self.raw: list[bytes] = []
        self.at = 0
        self.known = known or {}  # id -> number of an argument that came from the other side
        self.numbered: list[Any] = []  # what this message holds, in the order in which it is read
        self.numbers: dict[int, int] = {}
        self.keep_graph, self.outs = keep_graph, []
        self.live: list[Tensor] = []  # what a gradient may be asked for
        self.leaves: list[list] = []  # and what it is called
        self.states: list[nn.Module] = []
        self.nodes = 0

    def write(self, value: Any, depth: int = 0) -> Any:
        self.nodes += 1
        if depth > LIMITS["depth"] or self.nodes > LIMITS["nodes"]:
            raise Malformed("too large to hand over: too many values, or too many levels")
        kind = type(value)
        if value is None or kind is bool:
            return value
        if isinstance(value, np.generic):
            value = np.asarray(value)
            return ["scalar", *self._array(value)[1:]] if value.dtype.kind in "biufcmM" else str(value)
        if isinstance(value, str):
            return str.__str__(value) if kind is str else "".join(value)
        if isinstance(value, int):
            return int(value)
        if isinstance(value, float):
            return float(value)
        if value is ...:
            return ["..."]
        if id(value) in self.known:
            return ["given", self.known[id(value)]]
        if id(value) in self.numbers:
            return ["ref", self.numbers[id(value)]]
        if isinstance(value, Tensor):
            return self._tensor(value)
        return self._more(value, kind, depth + 1)

    def _more(self, value: Any, kind: type, depth: int) -> Any:
        def each(values: Any) -> list:
            return [self.write(v, depth) for v in values]

        for tag, of in (("list", list), ("tuple", tuple), ("set", set), ("frozenset", frozenset)):
            if isinstance(value, of):
                return [tag, each(value)]
        if isinstance(value, dict):
            return ["dict", [[self.write(k, depth), self.write(v, depth)] for k, v in value.items()]]
        if isinstance(value, complex):
            return ["complex", value.real, value.imag]
        if isinstance(value, Fraction):
            return ["fraction", value.numerator, value.denominator]
        if kind is slice:
            return ["slice", each([value.start, value.stop, value.step])]
        if kind is range:
            return ["range", value.start, value.stop, value.step]
        if kind is torch.dtype:
            return ["dtype", str(value).removeprefix("torch.")]
        if kind is torch.device:
            return ["device", value.type]
        if kind is torch.Generator:
            return ["generator", self._tensor(value.get_state())]
        if isinstance(value, np.ndarray):
            if value.dtype.kind in "biufcmM":
                return self._array(value)
            return ["objects", list(value.shape), each(value.reshape(-1).tolist())]
        if kind.__module__.startswith("pandas"):
            found = self._pandas(value, each)
            if found is not None:
                return found
        if kind is types.SimpleNamespace:
            return ["space", [[k, self.write(v, depth)] for k, v in vars(value).items()]]
        if _data_classes().get(kind.__name__) is kind:
            fields = [f.name for f in dataclasses.fields(value) if f.init]
            return [
                "data",
                kind.__name__,
                [[name, self.write(getattr(value, name), depth)] for name in fields],
            ]
        if isinstance(value, Iterator) or kind.__name__ in ("dict_keys", "dict_values", "dict_items"):
            pulled = []
            for one in value:
                pulled.append(self.write(one, depth))
                if len(pulled) > LIMITS["pulled"]:
                    raise Malformed("an iterator without an end")
            return ["iterator", kind.__name__, pulled]
        return self._by_reference(value, kind, depth)

    def _by_reference(self, value: Any, kind: type, depth: int) -> Any:
        home = value.__dict__.get("_rbh") if isinstance(value, nn.Module) else None
        if isinstance(value, Remote) and value._peer is self.peer:
            return ["yours", value._number]
        if home and home[0] is self.peer:
            self.states.append(value)
            return ["yours", home[1]]
        if isinstance(value, type):
            if isinstance(value, _RemoteClass):
                return ["yours", value._rbh[1]]
            bases = [_names_of_classes()[c] for c in value.__mro__ if c in _names_of_classes()][:1]
            return ["class", self.peer.export(value), value.__name__, bases]
        if isinstance(value, nn.Module):
            return self._model(value, depth) if _is_model(value) else self._module(value, depth)
        tag = "call" if callable(value) else "object"
        try:
            text = " ".join(repr(value).split())[:80] if tag == "object" else f"<{kind.__name__}>"
        except Exception:
            text = f"<{kind.__name__}>"
        node = [tag, self.peer.export(value), kind.__name__, text]
        if (
            tag == "call" and self.peer.open
        ):  # the student's side says what a check may ask of a function's text
            node += [[*engine.arguments(value)], sorted(engine.words(value))]
        return node

    def _bytes(self, data: bytes) -> list[int]:
        self.raw.append(data)
        self.at += len(data)
        if self.at > LIMITS["raw"]:
            raise Malformed(f"too large to hand over: more than {LIMITS['raw']:,} bytes")
        return [self.at - len(data), len(data)]

    def _array(self, value: np.ndarray) -> list:
        return [
            "array",
            value.dtype.str,
            list(value.shape),
            *self._bytes(np.ascontiguousarray(value).tobytes()),
        ]

    def _number(self, value: Any) -> int:
        self.numbers[id(value)] = len(self.numbered)
        self.numbered.append(value)
        return len(self.numbered) - 1

    def _tensor(self, value: Tensor, graph: bool = True) -> list:
        grows = value.requires_grad and graph
        if grows and self.keep_graph and torch.is_grad_enabled():
            self.outs.append(value)
            return ["out", len(self.outs) - 1]
        number = self._number(value)
        if grows and torch.is_grad_enabled():
            self.live.append(value)
            self.leaves.append(["given", number])
        return self.plain(value, (1 if grows else 0) | (2 if isinstance(value, nn.Parameter) else 0))

    def plain(self, value: Tensor, flags: int = 0) -> list:
        value = torch.Tensor.detach(value)
        if value.device.type == "meta":
            raise TypeError("a tensor on the device `meta` has no numbers")
        if value.layout != torch.strided:
            value = value.to_dense()
        value = value.cpu().resolve_conj().resolve_neg().contiguous()
        name = str(value.dtype).removeprefix("torch.")
        if name not in _DTYPES:
            raise TypeError(f"tensors of {name} cannot be handed over")
        flat = value.reshape(-1).clone(
            memory_format=torch.contiguous_format
        )  # of one number, the stride may be any
        data = flat.view(torch.uint8).numpy().tobytes() if value.numel() else b""
        return ["tensor", name, list(value.shape), *self._bytes(data), flags]

    def _pandas(self, value: Any, each: Callable) -> Any:
        import pandas as pd

        def column(values: Any) -> Any:
            array = np.asarray(values)
            return self._array(array) if array.dtype.kind in "biufcmM" else ["list", each(array.tolist())]

        if isinstance(value, pd.Series):
            return ["series", column(value), column(value.index), self.write(value.name)]
        if isinstance(value, pd.Index):
            return ["index", column(value)]
        if isinstance(value, pd.DataFrame):
            columns = [[self.write(name), column(value.iloc[:, i])] for i, name in enumerate(value.columns)]
            return ["frame", columns, column(value.index)]
        return None

    def _model(self, value: nn.Module, depth: int) -> list:
        self._number(value)
        state = [[name, self._state(tensor)] for name, tensor in value.state_dict().items()]
        frozen = [name for name, p in value.named_parameters() if not p.requires_grad]
        settings, schema = self.write(value.settings, depth), self.write(value.schema, depth)
        return ["model", type(value).__name__, schema, settings, state, frozen, value.training]

    def _state(self, tensor: Tensor) -> list:
        return self.plain(tensor)

    def _module(self, value: nn.Module, depth: int) -> list:
        number = self.peer.export(value)
        self._number(value)
        base = next(
            (_names_of_classes()[c] for c in type(value).__mro__ if c in _names_of_classes()), "Module"
        )
        exact = type(value) in _names_of_classes()
        plain = {}
        if exact or self.peer.open:
            plain = {
                name: v
                for name, v in vars(value).items()
                if _NAME.fullmatch(name) and not name.startswith("_") and _is_setting(v)
            }
        if base == "Recommender" or (base != "Module" and hasattr(value, "settings")):
            schema = self.write(getattr(value, "schema", None), depth)
            settings = self.write(getattr(value, "settings", None), depth)
        else:
            schema = settings = None

        def tensors(given: dict) -> list:
            return [[name, None if t is None else self._owned(number, name, t)] for name, t in given.items()]

        parameters, buffers = tensors(value._parameters), tensors(value._buffers)
        parts = [[name, self.write(m, depth + 1)] for name, m in value._modules.items()]
        return [
            *("module", number, type(value).__name__, base, self.write(plain, depth), schema, settings),
            *(parameters, buffers, parts, value.training),
        ]

    def _owned(self, number: int, name: str, tensor: Tensor, theirs: bool = False) -> list:
        self.peer.shadow[theirs, number, name] = tensor.detach().clone()
        return self.plain(tensor, (1 if tensor.requires_grad else 0) | 2)

    def sync(self, shell: nn.Module, everything: bool = True) -> dict:
        """What has changed in a module since both sides last agreed; its parameters become live."""
        changed, modes = [], []
        for module in shell.modules():
            number = self.peer.number_of(module)
            if number is None:
                continue
            modes.append([number, module.training])
            for name, tensor in (*module._parameters.items(), *module._buffers.items()):
                if tensor is None:
                    continue
                theirs = "_rbh" in module.__dict__
                before = self.peer.shadow.get((theirs, number, name))
                if before is None or not _equal(before, tensor):
                    changed.append([number, name, self._owned(number, name, tensor, theirs)])
                if everything and tensor.requires_grad and torch.is_grad_enabled():
                    self.live.append(tensor)
                    self.leaves.append(["part", number, name])
        return {"changed": changed, "modes": modes}


def _is_setting(value: Any) -> bool:
    if isinstance(value, tuple):
        return len(value) < 50 and all(map(_is_setting, value))
    return value is None or type(value) in (bool, int, float, str)


def _equal(a: Tensor, b: Tensor) -> bool:
    b = b.detach()
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    return bool(torch.equal(a, b)) or bool(((a == b) | ((a != a) & (b != b))).all())


# Reading ----------------------------------------------------------------------------------------------------


class _Reader:
    """The inverse. `given`: what was sent over with the call that this message answers."""

    def __init__(self, peer: Peer, raw: memoryview, given: list | None = None):
        self.peer, self.raw, self.at = peer, raw, 0
        self.given = given or []
        self.numbered: list[Any] = []
        self.outs: list[Tensor] = []
        self.nodes = 0

    def read(self, node: Any, depth: int = 0) -> Any:
        self.nodes += 1
        if depth > LIMITS["depth"] or self.nodes > LIMITS["nodes"]:
            raise Malformed("too many values, or too many levels")
        if node is None or isinstance(node, bool | int | float | str):
            return node
        if not isinstance(node, list) or not node or not isinstance(node[0], str):
            raise Malformed("an unknown value")
        method = _READ.get(node[0])
        if method is None:
            raise Malformed(f"an unknown kind of value: {node[0][:40]!r}")
        try:
            return method(self, *node[1:], depth=depth + 1)
        except (Malformed, Gone):
            raise
        except (
            TypeError,
            ValueError,
            KeyError,
            IndexError,
            AttributeError,
            RuntimeError,
            OverflowError,
        ) as error:
            raise Malformed(f"a {node[0]} that cannot be read ({type(error).__name__})") from None

    def many(self, nodes: Any, depth: int) -> list:
        if not isinstance(nodes, list):
            raise Malformed("a list was expected")
        return [self.read(n, depth) for n in nodes]

    def bytes(self, at: int, size: int) -> bytes:
        if (
            type(at) is not int
            or type(size) is not int
            or at != self.at
            or not 0 <= size <= len(self.raw) - at
        ):
            raise Malformed("bytes that are not there")
        self.at += size
        return bytes(self.raw[at : at + size])

    def shape(self, shape: Any) -> tuple[int, ...]:
        if not isinstance(shape, list) or len(shape) > 16:
            raise Malformed("no shape")
        if not all(type(n) is int and 0 <= n <= LIMITS["numel"] for n in shape):
            raise Malformed("no shape")
        if math.prod(n for n in shape if n) > LIMITS["numel"]:
            raise Malformed("a shape that is too large")
        return tuple(shape)

    def tensor(self, dtype, shape, at, size, flags=0, *, depth=0, number=True) -> Tensor:
        kind, shape = _DTYPES[dtype], self.shape(shape)
        if size != math.prod(shape) * kind.itemsize:
            raise Malformed("a tensor of another size than its shape")
        data = bytearray(self.bytes(at, size))
        if kind is torch.bool and data:
            value = torch.frombuffer(data, dtype=torch.uint8).bool().reshape(shape)
        else:
            value = (
                torch.frombuffer(data, dtype=kind).reshape(shape) if data else torch.empty(shape, dtype=kind)
            )
        grows = bool(flags & 1) and (kind.is_floating_point or kind.is_complex)
        if flags & 2 and (kind.is_floating_point or kind.is_complex):
            value = nn.Parameter(value, requires_grad=grows)
        elif grows:
            value.requires_grad_()
        if number:
            self.numbered.append(value)
        return value

    def array(self, dtype, shape, at, size, *, depth=0) -> np.ndarray:
        if not isinstance(dtype, str) or not _ARRAY.fullmatch(dtype):
            raise Malformed("no dtype")
        kind, shape = np.dtype(dtype), self.shape(shape)
        if size != math.prod(shape) * kind.itemsize:
            raise Malformed("an array of another size than its shape")
        if kind.kind == "b":
            return (np.frombuffer(self.bytes(at, size), dtype=np.uint8) != 0).reshape(shape)
        return np.frombuffer(self.bytes(at, size), dtype=kind).reshape(shape).copy()

    def scalar(self, *node, depth) -> np.generic:
        return self.array(*node)[()]

    def dict(self, pairs, *, depth) -> dict:
        return {self.read(k, depth): self.read(v, depth) for k, v in pairs}

    def named(self, pairs, depth) -> dict[str, Any]:
        if not all(isinstance(k, str) and _NAME.fullmatch(k) and k[:2] != "__" for k, _ in pairs):
            raise Malformed("no name")
        return {k: self.read(v, depth) for k, v in pairs}

    def objects(self, shape, values, *, depth) -> np.ndarray:
        values, shape = self.many(values, depth), self.shape(shape)
        if all(isinstance(v, str) for v in values):
            return np.array(values, dtype=str).reshape(shape)
        made = np.empty(len(values), dtype=object)
        made[:] = values
        return made.reshape(shape)

    def series(self, values, index, name, *, depth):
        import pandas as pd

        return pd.Series(self.read(values, depth), self.read(index, depth), name=self.read(name, depth))

    def frame(self, columns, index, *, depth):
        import pandas as pd

        read = [(self.read(name, depth), self.read(values, depth)) for name, values in columns]
        made = pd.DataFrame({i: v for i, (_, v) in enumerate(read)}, index=self.read(index, depth))
        names = [name for name, _ in read]
        made.columns = names
        return made

    def index(self, values, *, depth):
        import pandas as pd

        return pd.Index(self.read(values, depth))

    def data(self, name, fields, *, depth):
        kind, fields = _data_classes()[name], self.named(fields, depth)
        if not fields.keys() <= {f.name for f in dataclasses.fields(kind) if f.init}:
            raise Malformed(f"a {name} with other fields")
        return kind(**fields)

    def generator(self, state, *, depth):
        if self.peer.open:  # a state of random numbers is taken from the examiner only
            made = torch.Generator()
            made.set_state(self.read(state, depth))
            return made
        self.read(state, depth)
        return Remote(self.peer, -1, "<Generator>")

    def iterator(self, name, values, *, depth):
        kind = type(_safe(name, "iterator"), (RemoteIterator,), {})
        return kind(self.peer, self.many(values, depth), f"<{kind.__name__}>")

    def call(self, number, name, text, arguments=(), words=(), *, depth):
        made = type(_safe(name, "function"), (RemoteCall,), {})(self.peer, self.id(number), str(text)[:80])
        made._arguments = [_safe(word, "argument") for word in arguments]
        made._words = {str(word)[:80] for word in words}
        return made

    def object(self, number, name, text, *, depth):
        return type(_safe(name, "object"), (Remote,), {})(self.peer, self.id(number), str(text)[:80])

    def id(self, number: Any) -> int:
        if type(number) is not int or number < 0:
            raise Malformed("no number of an object")
        return number

    def klass(self, number, name, bases, *, depth):
        bases = tuple(_known_classes()[b] for b in bases)
        home = {"_rbh": (self.peer, self.id(number))}
        return _RemoteClass(_safe(name, "Answer"), bases, home)

    def model(self, name, schema, settings, state, frozen, training, *, depth):
        from recbyhand.models.base import Recommender

        kind = _known_classes()[name]
        if not issubclass(kind, Recommender) or kind is Recommender:
            raise Malformed("no model of this package")
        at = len(self.numbered)
        self.numbered.append(None)
        # written state first, then settings and schema: bytes are read in the order in which they were written
        state = {k: self.tensor(*v[1:], number=False) for k, v in state}
        settings, schema = self.read(settings, depth), self.read(schema, depth)
        from recbyhand.data.batch import Schema

        if not isinstance(schema, Schema) or not isinstance(settings, dict):
            raise Malformed("a model without schema and settings")
        with torch.random.fork_rng(devices=[]):
            made = kind(schema, **settings)
        made.load_state_dict(state)
        for path, parameter in made.named_parameters():
            parameter.requires_grad_(path not in frozen)
        made.train(training is True)
        self.numbered[at] = made
        return made

    def module(
        self, number, name, base, plain, schema, settings, parameters, buffers, parts, training, *, depth
    ):
        number = self.id(number)
        base = _known_classes().get(base, nn.Module)
        made_class = type(_safe(name, "Answer"), (_Shell, base), {})
        made = object.__new__(made_class)
        nn.Module.__init__(made)
        self.numbered.append(made)
        made.__dict__["_rbh"] = (self.peer, number)
        plain = self.read(plain, depth)
        if not isinstance(plain, dict) or not all(map(_is_setting, plain.values())):
            raise Malformed("settings that are none")
        taken = dir(base)
        for key, value in plain.items():
            if (
                isinstance(key, str)
                and _NAME.fullmatch(key)
                and (key not in taken or key in base.__annotations__)
            ):
                if not key.startswith("_"):
                    made.__dict__[key] = value
        if schema is not None or settings is not None:
            made.__dict__["schema"], made.__dict__["settings"] = (
                self.read(schema, depth),
                self.read(settings, depth),
            )
        for names, into in ((parameters, made._parameters), (buffers, made._buffers)):
            for key, node in names:
                if not isinstance(key, str) or not _NAME.fullmatch(key):
                    raise Malformed("no name of a parameter")
                value = None if node is None else self.tensor(*node[1:], number=False)
                if value is not None:
                    if into is made._buffers:
                        value = value.detach()
                    self.peer.shadow[True, number, key] = value.detach().clone()
                into[key] = value
        for key, node in parts:
            if not isinstance(key, str) or not re.fullmatch(r"\w{1,80}", key):
                raise Malformed("no name of a part")
            part = self.read(node, depth + 1)
            if part is not None and not isinstance(part, nn.Module):
                raise Malformed("a part that is no module")
            made._modules[key] = part
        made.training = training is True
        return made

    def yours(self, number, *, depth):
        return self.peer.objects[number]

    def ref(self, number, *, depth):
        return self.numbered[number]

    def out(self, number, *, depth):
        return self.outs[number]

    def back(self, number, *, depth):
        return self.given[number]

    def apply(self, state: Any) -> None:
        """Take over what has changed in modules that both sides have."""
        for number, mode in state["modes"]:
            if (module := self.peer.module_of(number)) is not None:
                module.training = mode is True
        for number, name, node in state["changed"]:
            value, module = self.tensor(*node[1:], number=False), self.peer.module_of(number)
            if module is None:
                continue
            into = module._parameters if name in module._parameters else module._buffers
            old = into.get(name)
            if old is None or old.shape != value.shape or old.dtype != value.dtype:
                raise Malformed("a parameter that has changed its shape")
            with torch.no_grad():
                old.copy_(value.detach())
            self.peer.shadow["_rbh" in module.__dict__, number, name] = value.detach().clone()


_READ: dict[str, Callable] = {
    "...": lambda self, *, depth: ...,
    "list": lambda self, values, *, depth: self.many(values, depth),
    "tuple": lambda self, values, *, depth: tuple(self.many(values, depth)),
    "set": lambda self, values, *, depth: set(self.many(values, depth)),
    "frozenset": lambda self, values, *, depth: frozenset(self.many(values, depth)),
    "slice": lambda self, values, *, depth: slice(*self.many(values, depth)),
    "range": lambda self, start, stop, step, *, depth: range(start, stop, step),
    "complex": lambda self, real, imag, *, depth: complex(real, imag),
    "fraction": lambda self, a, b, *, depth: Fraction(int(a), int(b)) if b else None,
    "dtype": lambda self, name, *, depth: _DTYPES[name],
    "device": lambda self, name, *, depth: torch.device("cpu"),
    "space": lambda self, pairs, *, depth: types.SimpleNamespace(**self.named(pairs, depth)),
    "class": _Reader.klass,
    "given": _Reader.back,
    **{
        name: getattr(_Reader, name)
        for name in (
            *(
                "tensor",
                "array",
                "scalar",
                "dict",
                "objects",
                "series",
                "frame",
                "index",
                "data",
                "generator",
            ),
            *("iterator", "call", "object", "model", "module", "yours", "ref", "out"),
        )
    },
}


# Gradients across the border --------------------------------------------------------------------------------


class _Border(torch.autograd.Function):
    """Results of a call on the other side, as functions of what was sent there."""

    @staticmethod
    def forward(ctx, peer, graph, outs, *live):
        ctx.peer, ctx.graph, ctx.count = peer, graph, len(live)
        ctx.set_materialize_grads(False)
        return tuple(out.detach().clone() for out in outs)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, *grads):
        found = ctx.peer.gradient(ctx.graph, grads, ctx.count)
        return (None, None, None, *found)


class _Ops(TorchDispatchMode):
    """Notes the calls of PyTorch: name, and shapes of what goes in and out."""

    def __init__(self):
        super().__init__()
        self.events = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        _note(self.events, func.__name__, args, kwargs, out)
        return out


class _Functions(torch.overrides.TorchFunctionMode):
    """The same for the functions that a person calls."""

    def __init__(self):
        super().__init__()
        self.events = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        _note(self.events, getattr(func, "__name__", ""), args, kwargs, out)
        return out


def _note(events: list, name: str, args: Any, kwargs: Any, out: Any) -> None:
    if len(events) < 2000:
        outs = out if isinstance(out, tuple | list) else [out]
        both = [*args, *(kwargs or {}).values()], outs
        events.append([name, *([_look(t) for t in part if isinstance(t, Tensor)][:8] for part in both)])


def _look(tensor: Tensor) -> list:
    return [str(tensor.dtype).removeprefix("torch."), list(tensor.shape)]


# A side of the border ---------------------------------------------------------------------------------------


class Peer:
    """One side. `open`: it gives attributes of its objects away (the student's does, the examiner's does not)."""

    def __init__(self, channel: Channel, open: bool = False, around: Callable | None = None):
        self.channel, self.open = channel, open
        self.around = around  # makes the context in which the other side's calls run here
        self.depth = self.served = 0
        self.forget()
        self._real = {name: dict(vars(importlib.import_module(name))) for name in _WATCHED}

    def forget(self) -> None:
        """Drop all that was handed over: an answer has been marked."""
        self.objects: dict[int, Any] = {}
        self.numbers: dict[int, int] = {}
        self.shadow: dict[tuple[bool, int, str], Tensor] = {}
        self.graphs: OrderedDict[int, tuple] = OrderedDict()
        self.errors: dict[int, BaseException] = {}
        self.next_graph = self.served = 0

    def export(self, value: Any) -> int:
        if id(value) in self.numbers:
            return self.numbers[id(value)]
        if len(self.objects) >= LIMITS["objects"]:
            raise Malformed("too many objects")
        number = len(self.objects)
        self.objects[number], self.numbers[id(value)] = value, number
        return number

    def number_of(self, module: nn.Module) -> int | None:
        home = module.__dict__.get("_rbh")
        return home[1] if home else self.numbers.get(id(module))

    def module_of(self, number: int) -> nn.Module | None:
        """The module of a number in a state: of this side's own, or the shell that is being called."""
        if self._state_of is not None:
            return self._state_of.get(number)
        found = self.objects.get(number)
        return found if isinstance(found, nn.Module) else None

    _state_of: dict | None = None

    # Asking

    def call(self, number: int, args: tuple, named: dict, shell: nn.Module | None = None) -> Any:
        """Call object `number` of the other side."""
        functions = torch.overrides._get_current_function_mode_stack()
        dispatches = _get_current_dispatch_mode_stack()
        watched = [m for m in (*functions, *dispatches) if type(m).__module__.startswith("recbyhand.")]
        with torch._C.DisableTorchFunction(), _disable_current_modes():
            out, events = self._call(number, args, named, shell, functions, dispatches, watched)
        for mode in watched:
            _replay(mode, events)
        return out

    def _call(self, number, args, named, shell, functions, dispatches, watched) -> tuple:
        writer = _Writer(self)
        message = {"do": "call", "target": number}
        message["args"] = writer.write(list(args))
        message["named"] = writer.write(dict(named))
        shells = [*writer.states, *([shell] if shell is not None else [])]
        message["states"] = [writer.sync(s) for s in shells]
        message["patch"] = [
            [module, name, writer.write(value)]
            for module, real in self._real.items()
            for name, value in vars(sys.modules[module]).items()
            if not self.open and name in real and real[name] is not value and callable(value)
        ]
        message["leaves"] = writer.leaves
        message["grad"] = torch.is_grad_enabled()
        message["dtype"] = str(torch.get_default_dtype()).removeprefix("torch.")
        if not self.open:  # the examiner's random numbers decide about the student's
            message["seed"] = int(torch.randint(2**31, ()))
        message["watch"] = [
            int(any(m in watched for m in functions)),
            int(any(m in watched for m in dispatches)),
        ]
        hooked = [m for s in shells for m in s.modules() if m is not shell and _hooked(m)]
        message["hooks"] = [self.number_of(m) for m in hooked]
        reply, raw = self._ask(message, writer.raw)
        reader = _Reader(self, raw, writer.numbered)
        if "error" in reply:
            self._state(reader, reply, shells)
            raise self._error(reply["error"])
        graph = reply.get("graph")
        if graph is not None:
            apart = _Reader(self, raw[self._whole(graph["from"], len(raw)) :])
            outs = [apart.tensor(*node[1:], number=False) for node in graph["outs"]]
            if writer.live:
                outs = _Border.apply(self, graph["id"], outs, *writer.live)
            else:
                outs = [o.requires_grad_() for o in outs]
            reader.outs = list(outs)
        value = reader.read(reply.get("value"))
        for k, node in reply.get("given", []):
            _overwrite(writer.numbered[k], reader, node)
        self._state(reader, reply, shells)
        for state in reply.get("lent", []):
            reader.apply(state)
        by_number = {self.number_of(m): m for m in hooked}
        for k, given, result in reply.get("hooked", []):
            given, result = reader.read(given), reader.read(result)
            _fire(by_number[k], given, result)
        return value, reply.get("events", [])

    def _state(self, reader: _Reader, reply: dict, shells: list) -> None:
        before = self._state_of
        self._state_of = {self.number_of(m): m for s in shells for m in s.modules()}
        try:
            for state in reply.get("states", []):
                reader.apply(state)
        finally:
            self._state_of = before

    def attribute(self, number: int, name: str) -> Any:
        if self.open or number < 0:
            raise AttributeError(f"there is no attribute {name!r} from here")
        with torch._C.DisableTorchFunction(), _disable_current_modes():
            reply, raw = self._ask({"do": "attribute", "target": number, "name": name}, [])
            if "error" in reply:
                raise AttributeError(name)
            return _Reader(self, raw).read(reply.get("value"))

    def gradient(self, graph: int, grads: tuple, count: int) -> list:
        writer = _Writer(self)
        nodes = [None if g is None else writer.plain(g) for g in grads]
        reply, raw = self._ask({"do": "backward", "graph": graph, "grads": nodes}, writer.raw)
        if "error" in reply:
            raise self._error(reply["error"])
        reader = _Reader(self, raw)
        found = [reader.read(node) for node in reply.get("grads", [])]
        if len(found) != count or not all(g is None or isinstance(g, Tensor) for g in found):
            raise Malformed("other gradients than were asked for")
        return found

    def _ask(self, message: dict, raw: list) -> tuple[dict, memoryview]:
        try:
            self.channel.send(message, raw)
            while True:
                reply, data = self.channel.receive()
                if "do" not in reply:
                    return reply, data
                if self.depth >= LIMITS["nested"]:
                    raise Malformed("calls within calls without an end")
                self.depth += 1
                try:
                    self.serve(reply, data)
                finally:
                    self.depth -= 1
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise Malformed(f"a message that cannot be read ({type(error).__name__})") from None

    def _error(self, said: Any) -> BaseException:
        name, text, whose, token, where = said
        if whose == "yours" and token in self.errors:
            return self.errors[token]
        name, text = str(name)[:80], str(text)[:500]
        kind = getattr(builtins, name, None)
        if name in ("LinAlgError", "_LinAlgError"):
            made: BaseException = torch.linalg.LinAlgError(text)
        elif isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, UnicodeError):
            made = kind(text)
        elif name == "SystemExit":
            made = SystemExit(text)
        else:
            made = type(_safe(name, "Error"), (Far,), {})(text)
        if isinstance(where, list) and len(where) == 2:
            made.where = int(where[0]), str(where[1])[:200]
        made._theirs = token
        return made

    def _whole(self, number: Any, most: int) -> int:
        if type(number) is not int or not 0 <= number <= most:
            raise Malformed("no place in a message")
        return number

    # Answering

    def serve(self, message: dict, raw: memoryview) -> None:
        """Answer one request of the other side; an error here is sent there."""
        self.served += 1
        if self.served > LIMITS["calls"]:
            raise Malformed("too many calls")
        writer = _Writer(self)
        try:
            reply = self._answer(message, raw)
            if isinstance(reply, tuple):
                reply, writer = reply
        except (Malformed, Gone):
            if not self.open:
                raise
            reply, writer = (
                {"error": ["ValueError", "this cannot be handed over", "", 0, None]},
                _Writer(self),
            )
        except BaseException as error:
            theirs = getattr(error, "_theirs", None)
            if theirs is None:
                theirs = len(self.errors)
                self.errors[theirs], whose = error, "mine"
            else:
                whose = "yours"
            reply = {"error": [type(error).__name__, _said(error), whose, theirs, self.where(error)]}
            writer = _Writer(self)
        self.channel.send(reply, writer.raw)

    def where(self, error: BaseException) -> list | None:
        return None

    def _answer(self, message: dict, raw: memoryview) -> Any:
        reader = _Reader(self, raw)
        do = message["do"]
        if do == "call":
            target = self.objects[message["target"]]
            if not callable(target):
                raise Malformed("that cannot be called")
            return self._run(target, message, reader)
        if do == "backward":
            leaves, outs = self.graphs[message["graph"]]
            grads = [None if node is None else reader.read(node) for node in message["grads"]]
            asked = [(o, g) for o, g in zip(outs, grads, strict=True) if g is not None]
            if not all(g.shape == o.shape for o, g in asked):
                raise Malformed("gradients of another shape")
            found = torch.autograd.grad(
                *([o for o, _ in asked], leaves, [g for _, g in asked]), retain_graph=True, allow_unused=True
            )
            writer = _Writer(self)
            return {"grads": [None if g is None else writer.plain(g) for g in found]}, writer
        if do == "attribute" and self.open:
            name = message["name"]
            if name.startswith("_"):
                raise AttributeError(name)
            writer = _Writer(self)
            return {"value": writer.write(getattr(self.objects[message["target"]], name))}, writer
        raise Malformed("an unknown request")

    def _run(self, target: Callable, message: dict, reader: _Reader) -> tuple:
        args, named = reader.read(message["args"]), reader.read(message["named"])
        if not isinstance(args, list) or not isinstance(named, dict):
            raise Malformed("no arguments")
        for state in message["states"]:
            reader.apply(state)
        patches = (
            [(module, name, reader.read(node)) for module, name, node in message["patch"]]
            if self.open
            else []
        )
        given = {k: v for k, v in enumerate(reader.numbered) if isinstance(v, Tensor | nn.Module)}
        before = {k: _snapshot(v) for k, v in given.items()}
        leaves = [self._leaf(leaf, reader) for leaf in message["leaves"]]
        hooks, heard = [], []
        for number in message.get("hooks", []) if self.open else []:
            hook = functools.partial(
                lambda k, module, given, out: heard.append((k, _detached(given), _detached(out))), number
            )
            hooks.append(self.objects[number].register_forward_hook(hook))
        modes = [
            cls() for cls, on in zip((_Functions, _Ops), message.get("watch", [0, 0])) if on and self.open
        ]
        if self.open and "seed" in message:
            torch.manual_seed(message["seed"])
            np.random.seed(message["seed"])  # noqa: NPY002 - the student may use it
            random.seed(message["seed"])
        dtype = torch.get_default_dtype()
        try:
            with _patched(patches, target), torch.set_grad_enabled(message["grad"] is True):
                if self.open:
                    torch.set_default_dtype(_DTYPES[message["dtype"]])
                out = self._entered(target, args, named, modes)
        finally:
            torch.set_default_dtype(dtype)
            for hook in hooks:
                hook.remove()
        with torch.set_grad_enabled(message["grad"] is True):
            late = _Writer(self, {id(v): k for k, v in enumerate(reader.numbered)}, keep_graph=True)
            reply: dict[str, Any] = {"value": late.write(out)}
            outs = late.outs
        with torch.no_grad():
            reply["given"] = [
                [
                    k,
                    late.plain(v)
                    if isinstance(v, Tensor)
                    else [[n, late.plain(t)] for n, t in v.state_dict().items()],
                ]
                for k, v in given.items()
                if not (isinstance(v, nn.Module) and "_rbh" in v.__dict__) and _changed(before[k], v)
            ]
            own = [target] if isinstance(target, nn.Module) and id(target) in self.numbers else []
            own += [m for m in args if isinstance(m, nn.Module) and id(m) in self.numbers]
            reply["states"] = [late.sync(m, everything=False) for m in own]
            lent = [m for m in args if isinstance(m, nn.Module) and "_rbh" in m.__dict__]
            reply["lent"] = [
                late.sync(m, everything=False) for m in lent
            ]  # in the mode in which they are given back
            if heard:
                reply["hooked"] = [[k, late.write(list(g)), late.write(o)] for k, g, o in heard[:50]]
        if modes:
            reply["events"] = modes[-1].events
        if outs:  # their bytes come last, and are read first
            apart = _Writer(self)
            reply["graph"] = {"id": self.next_graph, "from": late.at, "outs": [apart.plain(o) for o in outs]}
            late.raw += apart.raw
            self.graphs[self.next_graph] = (leaves, outs)
            self.next_graph += 1
            while len(self.graphs) > LIMITS["graphs"]:
                self.graphs.popitem(last=False)
        return reply, late

    def _entered(self, target: Callable, args: list, named: dict, modes: list) -> Any:
        with contextlib.ExitStack() as stack:
            if self.around is not None:
                stack.enter_context(self.around())
            for mode in modes:
                stack.enter_context(mode)
            return target(*args, **named)

    def _leaf(self, leaf: list, reader: _Reader) -> Tensor:
        if leaf[0] == "given":
            return reader.numbered[leaf[1]]
        module = self.objects[leaf[1]]
        if not isinstance(module, nn.Module):
            raise Malformed("no module")
        return module._parameters[leaf[2]]


def _hooked(module: nn.Module) -> bool:
    return bool(module._forward_hooks or module._forward_pre_hooks)


def _fire(module: nn.Module, given: list, out: Any) -> None:
    for hook in list(module._forward_pre_hooks.values()):
        hook(module, tuple(given))
    for hook in list(module._forward_hooks.values()):
        hook(module, tuple(given), out)


def _said(error: BaseException) -> str:
    try:
        return str(error.args[0] if isinstance(error, KeyError) and error.args else error)[:500]
    except Exception:
        return ""


def _detached(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return tuple(map(_detached, value))
    return value.detach().clone() if isinstance(value, Tensor) else value


def _snapshot(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, nn.Module):
        return {k: t.detach().clone() for k, t in value.state_dict().items()}
    return None


def _changed(before: Any, now: Any) -> bool:
    if isinstance(now, Tensor):
        return not _equal(before, now)
    state = now.state_dict()
    return state.keys() != before.keys() or not all(_equal(before[k], state[k]) for k in before)


def _overwrite(old: Any, reader: _Reader, node: Any) -> None:
    """The other side wrote into an argument: so it is here."""
    with torch.no_grad():
        if isinstance(old, Tensor):
            value = reader.tensor(*node[1:], number=False).detach()
            if value.shape != old.shape or value.dtype != old.dtype:
                raise Malformed("an argument that has changed its shape")
            old.copy_(value)
        elif isinstance(old, nn.Module):
            old.load_state_dict({k: reader.tensor(*v[1:], number=False).detach() for k, v in node})


def _replay(mode: Any, events: Any) -> None:
    """Tell a mode that watched the call what happened on the other side: names and shapes."""

    def like(looks: list) -> list[Tensor]:
        return [torch.empty(shape, dtype=_DTYPES.get(kind), device="meta") for kind, shape in looks]

    with torch._C.DisableTorchFunction(), _disable_current_modes():
        for name, given, outs in events if isinstance(events, list) else []:
            results = like(outs)
            result = results[0] if len(results) == 1 else tuple(results)

            def function(*args: Any, result: Any = result, **named: Any) -> Any:
                return result

            function.__name__ = str(name)[:80]
            told = mode.__torch_dispatch__ if isinstance(mode, TorchDispatchMode) else mode.__torch_function__
            told(function, (), tuple(like(given)), {})


class _patched:
    """Functions that the check exchanged are exchanged here, too, while the call lasts."""

    def __init__(self, patches: list, target: Any):
        self.patches, self.target = patches, target

    def __enter__(self) -> None:
        self.before = []
        spaces = [getattr(self.target, "__globals__", {})]
        for module, name, value in self.patches:
            if module not in _WATCHED:
                raise Malformed("a patch of another module")
            home = vars(sys.modules[module])
            real = home[name]
            for space in (home, *spaces):
                for key in [k for k, v in space.items() if v is real]:
                    self.before.append((space, key, real))
                    space[key] = value

    def __exit__(self, *_: Any) -> None:
        for space, key, real in self.before:
            space[key] = real

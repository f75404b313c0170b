"""What an exercise is, and how an answer is checked. How to write one: see `recbyhand.exercises`."""

from __future__ import annotations

import contextlib
import copy
import difflib
import html
import importlib
import io
import linecache
import pkgutil
import random
import re
import signal
import sys
import sysconfig
import threading
import time
import traceback
import types
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import _disable_current_modes

from recbyhand.console import printable

_HERE = Path(__file__).parent
_MACHINERY = {"engine", "quizzes", "classroom", "practices", "done"}


# What the reader calls ---------------------------------------------------------------------------------


def check(name: str, answer: Any = ...) -> Result:
    """Check an answer to the exercise `name`; a wrong one gets a hint, never an exception."""
    exercise_ = _find(name, EXERCISES, "exercise")
    if isinstance(exercise_, Note):
        return Result(exercise_.name, False, exercise_.message, "unknown")
    try:
        if _untouched(answer):
            raise Wrong(exercise_.todo, "stub")
        with _undisturbed(name), _limit(exercise_.seconds):
            said = exercise_.check(answer)
            if _run.changed:  # right, but at somebody's cost
                raise Wrong(_run.changed)
        return Result(name, True, said or exercise_.solved)
    except Wrong as verdict:
        message = exercise_.todo if verdict.kind == "stub" else str(verdict)
        return Result(name, False, message, verdict.kind, len(exercise_.hints))
    except (Exception, SystemExit) as error:
        return Result(name, False, _explain(error, answer, exercise_), "error", len(exercise_.hints))


def hint(name: str) -> Note:
    """The next hint for the exercise `name`: each call goes one step further."""
    exercise_ = _find(name, EXERCISES, "exercise")
    if isinstance(exercise_, Note):
        return exercise_
    given = exercise_.given
    exercise_.given = min(given + 1, len(exercise_.hints))
    if given >= len(exercise_.hints):
        there = "If your edition of the book has solutions, this one is below the exercise."
        return Note(name, f"There is no further hint. {there}")
    return Note(name, exercise_.hints[given], f"Hint {given + 1} of {len(exercise_.hints)}")


@dataclass
class Result:
    """What `check` answers. `kind`: passed, hint (a specific one), generic, stub, error or unknown."""

    name: str
    passed: bool
    message: str
    kind: str = "passed"
    hints: int = 0

    def __repr__(self) -> str:
        return printable(f"{'✓' if self.passed else '✗'} {self.name}: {self.message}{self._more()}")

    def _more(self) -> str:
        return f'\n`rbh.hint("{self.name}")` helps further.' if self.hints and not self.passed else ""

    def _repr_html_(self) -> str:
        mark, word, colour = ("✓", "correct", "#0a8f6a") if self.passed else ("✗", "not yet", "#d0602a")
        if self.kind == "stub":  # nothing was tried, so nothing is wrong
            mark, word, colour = "○", "your turn", "#8a929b"
        head = f'<strong><span aria-hidden="true">{mark}</span> {html.escape(self.name)}: {word}.</strong> '
        return _box(head + prose(self.message + self._more()), colour)


@dataclass
class Note:
    """A remark shown to the reader."""

    name: str
    message: str
    title: str = ""

    def __repr__(self) -> str:
        return printable(f"{self.title or self.name}: {self.message}")

    def _repr_html_(self) -> str:
        head = f"<strong>{html.escape(self.title or self.name)}:</strong> "
        return _box(head + prose(self.message), "#4a7fc1")


# What an author calls ----------------------------------------------------------------------------------


@dataclass
class Exercise:
    name: str
    check: Callable[[Any], str | None]
    hints: tuple[str, ...]
    todo: str
    solved: str
    seconds: float
    given: int = field(default=0)


EXERCISES: dict[str, Exercise] = {}


def exercise(
    name: str, *hints: str, todo: str = "", solved: str = "Well done.", seconds: float = 20
) -> Callable[[Callable], Callable]:
    """Register the decorated function as the check of the exercise `name` ("mf-1").

    The function takes the answer and returns None (or a sentence for the happy reader) if it is right;
    if it is wrong it raises `Wrong(hint)`, by itself or through a helper below. `hints`: what `rbh.hint`
    gives, from vague to nearly the solution. `todo`: what to fill in, shown for an untouched stub.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*-\d+", name):
        raise ValueError(f'exercise id {name!r}: use topic-number, as in "mf-1"')
    if not hints:
        raise ValueError(f"exercise {name}: give at least one hint")

    def register(function: Callable) -> Callable:
        known = EXERCISES.get(name)
        if known and known.check.__module__ != function.__module__:
            raise ValueError(f"exercise {name} is already registered by {known.check.__module__}")
        text = todo or "Nothing to check yet: replace the `...` by your answer, then run the cell again."
        EXERCISES[name] = Exercise(name, function, hints, text, solved, seconds)
        return function

    return register


class Wrong(Exception):
    """The answer is wrong, and here is the hint. `kind="generic"` marks a hint that fits any wrong answer."""

    def __init__(self, message: str, kind: str = "hint"):
        super().__init__(message)
        self.kind = kind


def one_of_wrong(
    answer: Any, wrong: Mapping[Any, str] | Iterable[tuple[Any, str]], rtol: float = 1e-4, atol: float = 1e-6
) -> None:
    """Raise the hint of the first wrong value that the answer equals.

    `wrong`: {value: hint} or [(value, hint), ...].
    """
    for value, text in wrong.items() if isinstance(wrong, Mapping) else wrong:
        if same(_unwrapped(answer, value), value, rtol, atol):
            raise Wrong(text)


def shape(answer: Any, expected: tuple[int, ...], letters: str = "") -> None:
    """The answer is an array or tensor of this shape; `letters` ("B, d") names the axes in the hint."""
    got = tuple(np.shape(_plain(answer)))
    if got != tuple(expected):
        named = f" ({letters})" if letters else ""
        raise Wrong(f"Your answer has shape {got}, but {tuple(expected)}{named} is asked for.")


def close(answer: Any, truth: Any, rtol: float = 1e-4, atol: float = 1e-6, hint: str = "") -> None:
    """The answer equals `truth` (number, tensor, array, list, dict, frame, string) within the tolerance.

    A number written down (not computed by a learner's function) may be rounded to three digits.
    Knows a few slips by itself (shape, transposed, sign, order, a factor). `hint`: what any other wrong answer gets.
    """
    answer = _unwrapped(answer, truth)
    if same(answer, truth, rtol, atol):
        return
    mine, right = _array(answer), _array(truth)
    if right is not None and right.dtype.kind in "fiub":
        if mine is None or mine.dtype.kind not in "fiub":
            if _kind(answer) == _kind(truth):  # a tuple of tensors that differ in shape
                raise Wrong(f"The parts of your {_kind(answer)} are not numbers of one shape: print each.")
            raise Wrong(f"Your answer is a {_kind(answer)}; a {_kind(truth)} is asked for.")
        whole, mine, right = right.dtype.kind != "f", mine.astype(float), right.astype(float)
        if mine.shape != right.shape:
            turned = mine.ndim == 2 and same(mine.T, right, rtol, atol)
            raise Wrong(
                "The numbers are right, but rows and columns are swapped: transpose."
                if turned
                else f"Your answer has shape {mine.shape}, but {right.shape} is asked for."
            )
        if not np.isfinite(mine).all() and np.isfinite(right).all():
            raise Wrong("Your answer contains NaN or infinity: look for a division by 0 or a logarithm of 0.")
        if not whole and not _run.called and 0 < (digits := _digits(mine, right)):
            if digits >= 3:
                return
            raise Wrong(
                "Rounded too early: give three digits, or let Python compute it and keep all of them."
            )
        if slip := "" if hint else _slip(mine, right, rtol, atol):
            raise Wrong(slip)
        if same(-mine, right, rtol, atol):
            raise Wrong("The size is right, the sign is not.")
    raise Wrong(hint or f"That is not it yet: {_short(answer)}.", "hint" if hint else "generic")


def function(
    answer: Callable,
    inputs: Callable[[torch.Generator], tuple] | Iterable[tuple],
    oracle: Callable,
    wrong: Iterable[tuple[Callable, str]] = (),
    times: int = 5,
    rtol: float = 1e-4,
    atol: float = 1e-6,
    hint: str = "",
) -> None:
    """The learner's function (or module) agrees with `oracle` on every input.

    `inputs(generator)` draws one tuple of arguments (called `times` times, so that a constant cannot pass),
    or is a list of such tuples. `wrong`: (function that makes a typical mistake, its hint): the hint is given
    when the learner's outputs equal that function's on every input.
    """
    if not callable(answer):
        raise Wrong(
            f"A function is asked for; your answer is a {_kind(answer)}. Give its name without brackets."
        )
    if callable(inputs):
        draws = [tuple(inputs(_generator(i))) for i in range(times)]
    else:
        draws = [tuple(args) for args in inputs]
    got = [call(answer, *args) for args in draws]
    truth = [oracle(*copy.deepcopy(args)) for args in draws]
    if all(same(g, t, rtol, atol) for g, t in zip(got, truth, strict=True)):
        return _ones(answer, draws[0], oracle) if draws else None
    for slip, text in wrong:
        with contextlib.suppress(ArithmeticError, IndexError, RuntimeError, TypeError, ValueError):
            outputs = [slip(*copy.deepcopy(args)) for args in draws]
            if all(same(g, o, rtol, atol) for g, o in zip(got, outputs, strict=True)):
                raise Wrong(text)
    if len(draws) > 1 and all(same(g, got[0]) for g in got) and not all(same(t, truth[0]) for t in truth):
        raise Wrong("Your function gives the same answer whatever it is given: use its arguments.")
    if not hint and (part := _part(got, truth, rtol, atol)):
        raise Wrong(part)
    for g, t, args in zip(got, truth, draws, strict=True):
        try:
            close(g, t, rtol, atol, hint)
        except Wrong as verdict:
            raise Wrong(f"With {', '.join(map(_short, args))}: {verdict}", verdict.kind) from None


def edge(
    answer: Callable, args: tuple, oracle: Callable, text: str, rtol: float = 1e-3, atol: float = 1e-5
) -> None:
    """One more input, at an edge of what the task allows: whoever is right elsewhere and fails here gets `text`."""
    try:
        right = same(call(answer, *args), oracle(*copy.deepcopy(args)), rtol, atol)
    except Wrong:
        raise
    except Exception:
        right = False
    if not right:
        raise Wrong(text)


def call(answer: Callable, *args: Any, **named: Any) -> Any:
    """Call the learner's function on copies of `args`; a stub that returns nothing counts as untouched.

    A function that changes what it was given is noted: if all else is right, `check` says so.
    """
    with _unseen():
        given, kept, said = copy.deepcopy(args), copy.deepcopy(args), _Said(sys.stdout)
    _run.called = True
    with contextlib.redirect_stdout(said):
        out = answer(*given, **copy.deepcopy(named))
    if _untouched(out):
        if out is None and said.anything:
            raise Wrong("Your function prints its answer and returns nothing: end it with `return`.")
        raise Wrong("", "stub")
    with _unseen():
        for place, (now, before) in enumerate(zip(given, kept, strict=True)):
            if not _unchanged(now, before):
                _run.changed = _run.changed or _CHANGED.format(_argument(answer, place))
    return out


def grows(answer: Callable, small: tuple, large: tuple) -> float:
    """How many times more operations of torch the learner's function takes on the arguments `large` than on `small`.

    1 for code without a loop over what has grown, whatever it is written with; about the ratio of sizes for a loop.
    """
    counts = []
    for args in (small, large):
        with _Counted() as counted:
            call(answer, *args)
        counts.append(max(counted.operations, 1))
    return counts[1] / counts[0]


def uses(answer: Callable, *names: str) -> str:
    """The first of `names` (attributes, functions, modules) in the learner's code, or in their functions it calls."""
    found = words(answer)
    return next((name for name in names if name in found), "")


def words(answer: Callable) -> set[str]:
    """All names of attributes, functions and modules in the learner's code, and in their functions it calls."""
    if (told := getattr(answer, "_words", None)) is not None:  # a function in another process (marking)
        return told
    found, seen, todo = set(), set(), [answer]
    while todo:
        function_ = todo.pop()
        function_ = getattr(function_, "__func__", function_)
        if isinstance(function_, torch.nn.Module):
            function_ = type(function_).forward
        if not isinstance(function_, types.FunctionType) or function_ in seen:
            continue
        seen.add(function_)
        codes, own = [function_.__code__], set()
        while codes:
            code = codes.pop()
            own |= {*code.co_names, *code.co_freevars}
            codes += [c for c in code.co_consts if isinstance(c, types.CodeType)]
        found |= own
        cells = dict(zip(function_.__code__.co_freevars, function_.__closure__ or (), strict=True))
        for word in own:
            with contextlib.suppress(ValueError):  # an empty cell
                other = cells[word].cell_contents if word in cells else function_.__globals__.get(word)
                if isinstance(other, types.FunctionType) and not _foreign(other.__code__.co_filename):
                    todo.append(other)
    return found


AUTOGRAD = ("autograd", "backward", "grad", "grad_and_value", "jacrev", "jacfwd", "vjp", "jvp")


def wrong(message: str) -> NoReturn:
    """Say what is wrong: the same as `raise Wrong(message)`, for use in an expression."""
    raise Wrong(message)


def same(a: Any, b: Any, rtol: float = 1e-4, atol: float = 1e-6) -> bool:
    """`a` says what `b` says: equal within the tolerance, and of equal shape; False, never an error, if not comparable.

    The type does not matter: lists, tuples, arrays, tensors and frames of the same numbers are the same. One
    number may come as an array of one element.
    """
    a, b = _plain(a), _plain(b)
    if isinstance(a, dict) or isinstance(b, dict):
        both = isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys()
        return both and all(same(a[k], b[k], rtol, atol) for k in a)
    if isinstance(b, str | type(None)) or isinstance(a, str | type(None)):
        return type(a) is type(b) and a == b
    x, y = _array(a), _array(b)
    if x is None or y is None:
        alike = isinstance(a, list | tuple) and isinstance(b, list | tuple) and len(a) == len(b)
        return alike and all(same(i, j, rtol, atol) for i, j in zip(a, b, strict=True))
    if y.ndim == 0 and x.size == 1:
        x = x.reshape(())
    if x.shape != y.shape:
        return False
    if x.dtype.kind in "fiubc" and y.dtype.kind in "fiubc":
        return bool(np.allclose(x, y, rtol=rtol, atol=atol, equal_nan=True))
    return x.dtype.kind in "US" and y.dtype.kind in "US" and bool((x == y).all())


# Inside ------------------------------------------------------------------------------------------------


def load_all() -> dict[str, Exercise]:
    """Import every lesson's module of exercises, and return the registry."""
    for module in pkgutil.walk_packages([str(_HERE)], "recbyhand.exercises."):
        if module.name.rpartition(".")[2] not in _MACHINERY:
            importlib.import_module(module.name)
    return EXERCISES


def _find(name: str, registry: dict, what: str) -> Any:
    """The entry called `name`, or a note that names the nearest ones."""
    load_all()
    if str(name) in registry:
        return registry[str(name)]
    near = difflib.get_close_matches(str(name), registry, n=3, cutoff=0.4)
    known = ", ".join(sorted(registry)) or "none yet"
    there = f"Did you mean {', '.join(near)}?" if near else f"There are: {known}."
    return Note(str(name), f"No {what} has this name. {there}")


def prose(text: str) -> str:
    """Plain text to HTML: escaped, `code` in backticks, *emphasis* between stars, line breaks kept."""
    pieces = [html.escape(piece) for piece in re.split(r"`([^`]+)`", text)]
    pieces[1::2] = [f"<code>{piece}</code>" for piece in pieces[1::2]]
    # stars around words, not those of a product
    pieces[::2] = [
        re.sub(r"(?<![\w*])\*(?=[^\s*])([^*\n]*[^\s*])\*(?![\w*])", r"<em>\1</em>", p) for p in pieces[::2]
    ]
    return "".join(pieces).replace("\n", "<br>")


def _box(content: str, colour: str) -> str:
    style = f"border-left:.3rem solid {colour};padding:.3rem .8rem;margin:.3rem 0;overflow-wrap:anywhere"
    return f'<div class="rbh-note" role="status" style="{style}">{content}</div>'


def _untouched(answer: Any) -> bool:
    if isinstance(answer, list | tuple) and answer:
        return any(_untouched(part) for part in answer)
    return answer is None or answer is ...


def _plain(value: Any) -> Any:
    if isinstance(value, Fraction):  # a number as good as any
        return float(value)
    if type(value) in (list, tuple):
        return type(value)(map(_plain, value))
    if isinstance(value, torch.Tensor):
        return value.detach().cpu().resolve_conj().resolve_neg().numpy()
    if isinstance(value, str):
        return str(value)
    value = value.to_numpy() if hasattr(value, "to_numpy") else value
    if isinstance(value, np.ndarray) and value.dtype.kind in "US" and value.ndim == 0:
        return str(value)
    if isinstance(value, np.ndarray) and value.dtype.kind == "O" and value.size:
        with contextlib.suppress(ValueError, TypeError):  # a frame of True and False, an array of Fractions
            return np.array([_plain(v) for v in value.ravel()]).reshape(value.shape)
    return value


def _array(value: Any) -> np.ndarray | None:
    try:
        array = np.asarray(_plain(value))
    except (ValueError, TypeError, RuntimeError):  # ragged lists, lists of tensors that need gradients
        return None
    return None if array.dtype.kind == "O" else array


def _unwrapped(answer: Any, truth: Any) -> Any:
    """A value written as one row of a table, [[1, 2]], where (1, 2) is asked for; a function's result is left alone."""
    x, y = (None, None) if _run.called else (_array(answer), _array(truth))
    if x is None or y is None or x.dtype.kind not in "fiub" or x.ndim <= y.ndim:
        return answer
    return x.reshape(x.shape[x.ndim - y.ndim :]) if set(x.shape[: x.ndim - y.ndim]) == {1} else answer


def _digits(mine: np.ndarray, right: np.ndarray) -> int:
    """To how many digits (of the largest number) `mine` is `right`, rounded; 0 if it is not."""
    for places in range(7):
        if np.abs(mine - mine.round(places)).max() < 1e-9:
            rounded = np.abs(mine - right).max() <= 0.5000001 * 10.0**-places
            top = np.abs(right).max()
            return places + int(np.floor(np.log10(top))) + 1 if rounded and top > 0 else 0
    return 0


def _slip(mine: np.ndarray, right: np.ndarray, rtol: float, atol: float) -> str:
    """A slip that shows in the numbers alone, whatever the exercise: something that is true of them, or ""."""

    def equal(a: np.ndarray) -> bool:
        return same(a, right, rtol, atol)

    if mine.ndim == 2 and equal(mine.T):
        return "The numbers are right, but rows and columns are swapped: transpose."
    if equal(-mine):
        return "The size is right, the sign is not."
    if mine.ndim == 1 and equal(mine[::-1]):
        return "The numbers are right, but in the reverse order."
    if not np.abs(right).max(initial=0.0) > 10 * atol:
        return ""
    if mine.ndim == 1 and equal(np.sort(mine)[np.argsort(np.argsort(right, kind="stable"), kind="stable")]):
        return "The numbers are right, but in another order."
    if equal(np.abs(mine) * np.sign(right)):
        return "The sizes are right, but not all signs."
    for factor, text in _FACTORS.items():
        if equal(mine / factor):
            return text
    if np.allclose(mine, right, rtol=6e-3, atol=atol):
        return (
            "Very close, yet not equal: something small is added or left out (a constant in a denominator?), or a "
            "number was rounded on the way."
        )
    return ""


def _part(got: list, truth: list, rtol: float, atol: float) -> str:
    """Which of several results is right: a function that returns two tensors, one of them correct on every input."""
    several = [isinstance(x, list | tuple) and 1 < len(x) < 6 for x in (*got, *truth)]
    if not all(several) or len({len(x) for x in (*got, *truth)}) > 1:
        return ""
    pairs = list(zip(got, truth, strict=True))
    right = [all(same(g[k], t[k], rtol, atol) for g, t in pairs) for k in range(len(truth[0]))]
    if not any(right) or all(right):
        return ""
    names = ("first", "second", "third", "fourth", "fifth")
    good, bad = ([n for n, r in zip(names, right, strict=False) if r is which] for which in (True, False))
    return (
        f"Of the {len(right)} things you return, right: the {', '.join(good)}. Not yet: the {', '.join(bad)}."
    )


_FACTORS = {
    100.0: "A hundred times too large: that is per cent, and the share itself is asked for.",
    2.0: "Exactly twice too large: is something counted twice, or a ½ missing?",
    0.5: "Exactly half of it: a factor of 2 is missing.",
    6.0: "Exactly six times too large.",
    3.0: "Exactly three times too large.",
    1 / 3: "Exactly a third of it.",
    1 / np.log(2): "Right, but in logarithms to base 2: the natural logarithm is asked for.",
    1 / np.log(10): "Right, but in logarithms to base 10: the natural logarithm is asked for.",
}


def _ones(answer: Callable, args: tuple, oracle: Callable) -> None:
    """A function that is right must keep its axes where one of them has size 1: a batch of one, one place."""
    tensors = [a for a in args if isinstance(a, torch.Tensor)]
    for axis in range(max((t.ndim for t in tensors), default=0)):
        size = next(t.shape[axis] for t in tensors if t.ndim > axis)
        if size < 2:
            continue

        def first(value: Any, axis: int = axis, size: int = size) -> Any:
            fits = isinstance(value, torch.Tensor) and value.ndim > axis and value.shape[axis] == size
            return value.narrow(axis, 0, 1).clone() if fits else value

        one = tuple(map(first, args))
        with contextlib.suppress(Exception), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a spread of one row, say; no input of this exercise
            truth = _array(oracle(*copy.deepcopy(one)))
            got = _array(call(answer, *one))
            lost = got is not None and truth is not None and got.ndim < truth.ndim and got.size == truth.size
            if lost and same(got.reshape(truth.shape), truth):
                _run.changed = _run.changed or (
                    f"Right, until an axis has size 1: an input of shape {tuple(first(tensors[0]).shape)} should give "
                    f"{truth.shape}, and yours gives {got.shape}. `squeeze()` takes every axis of size 1: name the one "
                    "you mean, `squeeze(-1)`, or index it, `[..., 0]`."
                )


_CHANGED = (
    "The result is right, but your function changes {} in place, and whoever calls it goes on with other numbers. "
    "Make new tensors: `x = x + y` in place of `x += y`, `torch.where` or `masked_fill` in place of `x[mask] = 0`, "
    "`sorted(x)` in place of `x.sort()`, or begin with a copy."
)


def _argument(answer: Callable, place: int) -> str:
    """The name of an argument, for a sentence."""
    names = arguments(answer)
    return f"its argument `{names[place]}`" if place < len(names) else f"argument {place + 1}"


def arguments(answer: Callable) -> Sequence[str]:
    """The names of a function's arguments, as far as it says them."""
    code = getattr(answer, "__code__", None)
    return code.co_varnames[: code.co_argcount] if code else getattr(answer, "_arguments", ())


def _unchanged(now: Any, before: Any) -> bool:
    """Numbers in tensors, arrays, frames, lists and dictionaries are what they were; other things are not asked."""
    if isinstance(before, torch.Tensor):
        return now.shape == before.shape and bool(torch.equal(now.nan_to_num(7e7), before.nan_to_num(7e7)))
    if isinstance(before, np.ndarray):
        return now.shape == before.shape and bool(((now == before) | (now != now)).all())
    if isinstance(before, list | tuple):
        return len(now) == len(before) and all(map(_unchanged, now, before))
    if isinstance(before, dict):
        return now.keys() == before.keys() and all(_unchanged(now[k], before[k]) for k in before)
    if isinstance(before, int | float | str):
        return type(now) is type(before) and (now == before or now != now)
    return bool(now.equals(before)) if hasattr(before, "to_numpy") else True


class _Said(io.TextIOBase):
    """Passes on what a function prints, and remembers that it did."""

    def __init__(self, to: Any):
        self.to, self.anything = to, False

    def write(self, text: str) -> int:
        self.anything = self.anything or bool(text.strip())
        return self.to.write(text)

    def flush(self) -> None:
        self.to.flush()


@contextlib.contextmanager
def _unseen() -> Iterator[None]:
    """What the machinery does itself is not counted as the learner's, nor forbidden, by a mode of torch."""
    with torch._C.DisableTorchFunction(), _disable_current_modes():
        yield


class _Counted(TorchFunctionMode):
    """Counts the operations of torch within it."""

    operations = 0

    def __torch_function__(self, func, types_, args=(), kwargs=None):
        self.operations += 1
        return func(*args, **(kwargs or {}))


def _kind(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return "truth value"
    if isinstance(value, int | float | np.number | Fraction):
        return "number"
    names = {"str": "string", "builtin_function_or_method": "function"}
    return names.get(type(value).__name__, type(value).__name__)


def _short(value: Any) -> str:
    text = " ".join(repr(value.detach() if isinstance(value, torch.Tensor) else value).split())
    return f"`{text}`" if len(text) <= 60 else f"`{text[:57]}...`"


class _Run(threading.local):
    """What is known of the check that is running: its exercise, and what the learner's code has done."""

    name = ""
    called = False  # the learner's function has been called: results are no longer values written down
    changed = ""  # what is to be said if all else is right


_run = _Run()


def _generator(draw: int) -> torch.Generator:
    """Random inputs, but the same ones each time: a page must not change from build to build."""
    return torch.Generator().manual_seed(zlib.crc32(_run.name.encode()) + draw)


@contextlib.contextmanager
def _undisturbed(name: str) -> Iterator[None]:
    """A check draws random numbers, yet the lesson goes on as if it had not; nor do settings pass either way."""
    numbers, python = np.random.get_state(), random.getstate()  # noqa: NPY002 - the learner may use it
    before, dtype = dict(vars(_run)), torch.get_default_dtype()
    vars(_run).update(name=name, called=False, changed="")
    try:
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            torch.set_default_dtype(torch.float32)
            torch.manual_seed(zlib.crc32(name.encode()))
            yield
    finally:
        torch.set_default_dtype(dtype)
        np.random.set_state(numbers)  # noqa: NPY002
        random.setstate(python)
        vars(_run).clear()
        vars(_run).update(before)


@contextlib.contextmanager
def _limit(seconds: float) -> Iterator[None]:
    """An endless loop in an answer ends in an error (where there are signals: not on Windows)."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: Any) -> NoReturn:
        raise TimeoutError(f"no answer after {seconds:g} seconds; is there a loop that never ends?")

    started, handler = time.monotonic(), signal.signal(signal.SIGALRM, stop)
    left, interval = signal.setitimer(
        signal.ITIMER_REAL, seconds, 1
    )  # again, should a bare except swallow it
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, handler)
        # someone else's alarm goes on
        remains = max(left - (time.monotonic() - started), 0.01) if left else 0
        signal.setitimer(signal.ITIMER_REAL, remains, interval)


_ADVICE = {
    "NameError": "A name is used that does not exist: a typing error, or a cell that has not been run?",
    "IndexError": "An index reaches past the end: count from 0, and compare with the shape.",
    "KeyError": "This key is not there: print the keys that are.",
    "ZeroDivisionError": "Something is divided by 0: which input makes the denominator vanish?",
    "RecursionError": "The function calls itself without end.",
    "TypeError": "A wrong type, or a wrong number of arguments: compare with the text of the exercise.",
    "AttributeError": "This object has no such attribute: check its type and the spelling.",
    "TimeoutError": "Try it on a small input first.",
}


def _explain(error: BaseException, answer: Any, exercise_: Exercise) -> str:
    """The learner's own line that failed, what failed, and what to look at."""
    first = (str(error).strip().splitlines() or [""])[0][:200]
    what = f"{type(error).__name__}: {first}".rstrip(": ")
    tips = _ADVICE.get(type(error).__name__, "")
    if isinstance(error, RuntimeError | ValueError) and re.search(
        "shape|size|dimension|broadcast|mat1", first
    ):
        tips = "Shapes do not fit: print the shape of each part of that line."
    frames = [(f.f_code, number) for f, number in traceback.walk_tb(error.__traceback__)]
    own = [(c, n) for c, n in frames if c is not exercise_.check.__code__ and not _foreign(c.co_filename)]
    if own:
        code, number = own[-1]
        line = linecache.getline(code.co_filename, number).strip()
        return f"Your code stopped in line {number}, `{line}`, with `{what}`. {tips}".rstrip()
    return f"Your answer, a {_kind(answer)}, cannot be used here (`{what}`). {exercise_.todo} {tips}".rstrip()


def _foreign(filename: str) -> bool:
    """Not the learner's: this package, the standard library, installed packages."""
    paths = sysconfig.get_paths()
    libraries = (str(_HERE.parent), paths["stdlib"], paths["purelib"], paths["platlib"])
    return filename.startswith((*libraries, "<frozen"))

"""What an exercise is, and how an answer is checked. How to write one: see `recbyhand.exercises`."""

from __future__ import annotations

import contextlib
import copy
import difflib
import html
import importlib
import linecache
import pkgutil
import random
import re
import signal
import sysconfig
import threading
import time
import traceback
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch

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
        return Note(name, "There is no further hint. The solution is folded below the exercise.")
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
        return f"{'✓' if self.passed else '✗'} {self.name}: {self.message}{self._more()}"

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
        return f"{self.title or self.name}: {self.message}"

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
        if same(answer, value, rtol, atol):
            raise Wrong(text)


def shape(answer: Any, expected: tuple[int, ...], letters: str = "") -> None:
    """The answer is an array or tensor of this shape; `letters` ("B, d") names the axes in the hint."""
    got = tuple(np.shape(_plain(answer)))
    if got != tuple(expected):
        named = f" ({letters})" if letters else ""
        raise Wrong(f"Your answer has shape {got}, but {tuple(expected)}{named} is asked for.")


def close(answer: Any, truth: Any, rtol: float = 1e-4, atol: float = 1e-6, hint: str = "") -> None:
    """The answer equals `truth` (number, tensor, array, list, dict, frame, string) within the tolerance.

    Knows a few slips by itself (shape, transposed, sign, rounded). `hint`: what any other wrong answer gets.
    """
    if same(answer, truth, rtol, atol):
        return
    mine, right = _array(answer), _array(truth)
    if right is not None and right.dtype.kind in "fiub":
        if mine is None or mine.dtype.kind not in "fiub":
            if _kind(answer) == _kind(truth):  # a tuple of tensors that differ in shape
                raise Wrong(f"The parts of your {_kind(answer)} are not numbers of one shape: print each.")
            raise Wrong(f"Your answer is a {_kind(answer)}; a {_kind(truth)} is asked for.")
        mine, right = mine.astype(float), right.astype(float)
        if mine.shape != right.shape:
            turned = mine.ndim == 2 and same(mine.T, right, rtol, atol)
            raise Wrong(
                "The numbers are right, but rows and columns are swapped: transpose."
                if turned
                else f"Your answer has shape {mine.shape}, but {right.shape} is asked for."
            )
        if not np.isfinite(mine).all() and np.isfinite(right).all():
            raise Wrong("Your answer contains NaN or infinity: look for a division by 0 or a logarithm of 0.")
        if mine.ndim == 2 and same(mine.T, right, rtol, atol):
            raise Wrong("The numbers are right, but rows and columns are swapped: transpose.")
        if same(-mine, right, rtol, atol):
            raise Wrong("The size is right, the sign is not.")
        if right.dtype.kind == "f" and not hint and np.allclose(mine, right, rtol=6e-3, atol=atol):
            raise Wrong("Nearly. Did you round? Let Python compute it, and keep all digits.")
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
        return
    for slip, text in wrong:
        with contextlib.suppress(ArithmeticError, IndexError, RuntimeError, TypeError, ValueError):
            outputs = [slip(*copy.deepcopy(args)) for args in draws]
            if all(same(g, o, rtol, atol) for g, o in zip(got, outputs, strict=True)):
                raise Wrong(text)
    if len(draws) > 1 and all(same(g, got[0]) for g in got) and not all(same(t, truth[0]) for t in truth):
        raise Wrong("Your function gives the same answer whatever it is given: use its arguments.")
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
    """Call the learner's function on copies of `args`; a stub that returns nothing counts as untouched."""
    out = answer(*copy.deepcopy(args), **copy.deepcopy(named))
    if _untouched(out):
        raise Wrong("", "stub")
    return out


def wrong(message: str) -> NoReturn:
    """Say what is wrong: the same as `raise Wrong(message)`, for use in an expression."""
    raise Wrong(message)


def same(a: Any, b: Any, rtol: float = 1e-4, atol: float = 1e-6) -> bool:
    """Equal within the tolerance, and of equal shape; False, never an error, if they do not compare."""
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
    """Plain text to HTML: escaped, `code` in backticks, line breaks kept."""
    pieces = re.split(r"`([^`]+)`", text)
    marked = (f"<code>{html.escape(p)}</code>" if i % 2 else html.escape(p) for i, p in enumerate(pieces))
    return "".join(marked).replace("\n", "<br>")


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
        return value.detach().cpu().resolve_conj().numpy()
    return value.to_numpy() if hasattr(value, "to_numpy") else value


def _array(value: Any) -> np.ndarray | None:
    try:
        array = np.asarray(_plain(value))
    except (ValueError, TypeError, RuntimeError):  # ragged lists, lists of tensors that need gradients
        return None
    return None if array.dtype.kind == "O" else array


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


_seed = threading.local()


def _generator(draw: int) -> torch.Generator:
    """Random inputs, but the same ones each time: a page must not change from build to build."""
    return torch.Generator().manual_seed(zlib.crc32(getattr(_seed, "name", "").encode()) + draw)


@contextlib.contextmanager
def _undisturbed(name: str) -> Iterator[None]:
    """A check draws random numbers, yet the lesson goes on as if it had not."""
    numbers, python = np.random.get_state(), random.getstate()  # noqa: NPY002 - the learner may use it
    before, _seed.name = getattr(_seed, "name", ""), name
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(zlib.crc32(name.encode()))
            yield
    finally:
        np.random.set_state(numbers)  # noqa: NPY002
        random.setstate(python)
        _seed.name = before


@contextlib.contextmanager
def _limit(seconds: float) -> Iterator[None]:
    """An endless loop in an answer ends in an error (where there are signals: not on Windows)."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: Any) -> NoReturn:
        raise TimeoutError(f"no answer after {seconds:g} seconds; is there a loop that never ends?")

    started, handler = time.monotonic(), signal.signal(signal.SIGALRM, stop)
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds)
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

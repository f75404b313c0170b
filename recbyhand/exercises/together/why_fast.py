"""Checks of chapter 8: why is it fast?"""

from __future__ import annotations

import functools
import sys
import time
import timeit

import torch
from torch.overrides import TorchFunctionMode

from recbyhand.exercises.engine import Wrong, _foreign, call, close, exercise, function, one_of_wrong
from recbyhand.exercises.quizzes import question, quiz


class Calls(TorchFunctionMode):
    """Counts the calls of PyTorch, and the numbers of the largest result."""

    def __init__(self):
        super().__init__()
        self.number, self.largest = 0, 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        self.number += 1
        for tensor in out if isinstance(out, tuple | list) else [out]:
            if isinstance(tensor, torch.Tensor):
                self.largest = max(self.largest, tensor.numel())
        return out


def _without_loop(answer, args, over: str, most: int = 90) -> Calls:
    """The answer makes few calls on large inputs, and runs few lines of its own."""
    with Calls() as calls, _Lines() as lines:
        call(answer, *args)
    if calls.number > most:
        raise Wrong(
            f"The numbers are right, but it takes {calls.number} calls of PyTorch: a loop over {over}. "
            "Let one call do all of them."
        )
    if lines.number > most:
        raise Wrong(
            f"The numbers are right, but Python runs {lines.number} lines for them, one after another. "
            f"Let one call do all {over.removeprefix('the ')}."
        )
    return calls


_is_foreign = functools.cache(_foreign)


class _Lines:
    """Counts the lines that the reader's code runs; a loop on one line counts once for each turn."""

    def __enter__(self):
        self.number, self.before = 0, sys.gettrace()
        sys.settrace(self._enter)
        return self

    def __exit__(self, *_):
        sys.settrace(self.before)

    def _enter(self, frame, event, value):
        return None if _is_foreign(frame.f_code.co_filename) else self._count

    def _count(self, frame, event, value):
        self.number += event == "line"
        return self._count


@exercise(
    "fast-1",
    "Three terms: calls times price, bytes through bandwidth, operations through speed. Then seconds to ms.",
    "The three terms are 1.2 ms, 2 ms and 2 ms.",
    todo="Replace the `...` by a number of milliseconds.",
)
def fast_1(answer):
    one_of_wrong(
        answer,
        [
            (0.0052, "That is in seconds. A second has 1,000 milliseconds."),
            (5200, "That is in microseconds. A millisecond has 1,000 of them."),
            (1.2, "These are the calls. Bytes and operations cost time, too."),
            (4.0, "These are bytes and operations. 300 calls cost time, too."),
            (3.2, "One of the two terms of 2 ms is missing: bytes, or operations."),
            (2.0, "That is the largest term. The equation adds all three."),
        ],
    )
    close(
        answer,
        5.2,
        hint="Not yet. 300 calls of 4 µs; 20 MB at 10 GB/s; 0.1 of 50 billion operations; all in milliseconds.",
    )


def _histories(g: torch.Generator):
    history = torch.randint(0, 4, (6, 5), generator=g)
    target = torch.randint(1, 4, (6,), generator=g)
    target[0], history[0, :2] = 0, 0
    return history, target


def _seen(history, target):
    rows = zip(history.tolist(), target.tolist())
    return torch.tensor([sum(i == t and i != 0 for i in row) for row, t in rows])


@exercise(
    "fast-2",
    "Compare the whole table with the column of targets in one call, then sum over the events.",
    "`history == target[:, None]` is (B, L). Padding is where `history == 0`.",
    todo="Complete the function `seen_before(history, target)`: it returns a tensor of shape (B,).",
)
def fast_2(answer):
    function(
        answer,
        inputs=_histories,
        oracle=_seen,
        wrong=[
            (
                lambda h, t: (h == t[:, None]).sum(1),
                "A target of 0 equals padding, and padding does not count.",
            ),
            (
                lambda h, t: ((h == t[:, None]) & (h != 0)).any(1),
                "That says whether. How many times is asked.",
            ),
            (
                lambda h, t: ((h == t[:, None]) & (h != 0)).float().mean(1),
                "That is a part of the events. Count them: a sum.",
            ),
            (
                lambda h, t: ((h == t[:, None]) & (h != 0)).sum(),
                "One number for all rows. Sum over dim 1 only.",
            ),
            (
                lambda h, t: ((h != t[:, None]) & (h != 0)).sum(1),
                "You count the events that differ from the target.",
            ),
            (
                lambda h, t: (h[:, :, None] == t).any(-1).sum(1),
                "You compare with the targets of all rows. Each row has its own.",
            ),
            (
                lambda h, t: (torch.isin(h, t) & (h != 0)).sum(1),
                "You compare with the targets of all rows. Each row has its own.",
            ),
            (
                lambda h, t: (h != 0).sum(1),
                "That is the length of the history. Count those that equal the target.",
            ),
        ],
    )
    _without_loop(answer, (torch.randint(0, 9, (300, 20)), torch.randint(1, 9, (300,))), "the rows or events")


def _distances(u, v):
    return torch.tensor([[sum((a - b) ** 2 for a, b in zip(x, y)) for y in v.tolist()] for x in u.tolist()])


@exercise(
    "fast-3",
    "‖u − v‖² = ‖u‖² − 2 u·v + ‖v‖². The middle term is one product of two tables.",
    "Shapes: (U, 1), (U, I) and (I,).",
    todo="Complete the function `squared_distances(u, v)`: it returns a tensor of shape (U, I).",
)
def fast_3(answer):
    function(
        answer,
        inputs=lambda g: (torch.randn(4, 3, generator=g), torch.randn(5, 3, generator=g)),
        oracle=_distances,
        atol=1e-4,
        wrong=[
            (lambda u, v: torch.cdist(u, v), "These are the distances. Their squares are asked for."),
            (
                lambda u, v: u.square().sum(1, keepdim=True) - u @ v.T + v.square().sum(1),
                "The product comes twice: (a − b)² = a² − 2ab + b².",
            ),
            (
                lambda u, v: u.square().sum(1, keepdim=True) + 2 * u @ v.T + v.square().sum(1),
                "The sign of the product: (a − b)² = a² − 2ab + b².",
            ),
            (
                lambda u, v: -2 * u @ v.T,
                "The two squares are missing: ‖u‖² for each row, ‖v‖² for each column.",
            ),
            (
                lambda u, v: v.square().sum(1) - 2 * u @ v.T,
                "‖u‖² is missing. The order of a row is right without it, the numbers are not.",
            ),
            (
                lambda u, v: u.square().sum(1, keepdim=True) - 2 * u @ v.T,
                "‖v‖² is missing: (I,), added to every row.",
            ),
            (
                lambda u, v: u.norm(dim=1)[:, None] - 2 * u @ v.T + v.norm(dim=1),
                "Lengths are there; their squares are needed: ‖u‖² and ‖v‖².",
            ),
            (
                lambda u, v: (u.square().sum(1)[:, None] - 2 * u @ v.T + v.square().sum(1)) / u.shape[1],
                "That is a mean over d. A distance is a sum.",
            ),
            (
                lambda u, v: u.square().sum() - 2 * u @ v.T + v.square().sum(),
                "One sum for the whole table. Each row has its own: `.sum(1)`.",
            ),
            (
                lambda u, v: torch.cdist(u, v, p=1),
                "Those are sums of absolute differences. Squares are asked for.",
            ),
        ],
    )
    n, m, d = 200, 210, 80
    calls = _without_loop(answer, (torch.randn(n, d), torch.randn(m, d)), "the rows")
    if calls.largest >= n * m * d:
        raise Wrong(
            f"The numbers are right, but on the way there is a tensor of U · I · d = {n * m * d:,} numbers. Multiply "
            "the square out: the middle term is `u @ v.T`."
        )


def _ratings(g: torch.Generator):
    user = torch.randint(0, 5, (12,), generator=g)
    return user, torch.rand(12, generator=g), 7


def _means(user, label, n):
    out = []
    for person in range(n):
        mine = [y for u, y in zip(user.tolist(), label.tolist()) if u == person]
        out.append(sum(mine) / len(mine) if mine else 0.0)
    return torch.tensor(out)


@exercise(
    "fast-4",
    "Two calls of `bincount`: how many rows a user has, and the sum of their labels.",
    "`minlength=n` gives the users at the end their places; `clamp(min=1)` saves you from 0 / 0.",
    todo="Complete the function `mean_by_user(user, label, n)`: it returns a tensor of shape (n,).",
)
def fast_4(answer):
    def sums(user, label, n):
        return torch.zeros(n).index_add(0, user, label)

    def counts(user, n):
        return torch.zeros(n).index_add(0, user, torch.ones(len(user)))

    function(
        answer,
        inputs=_ratings,
        oracle=_means,
        wrong=[
            (sums, "These are sums. Divide by the number of rows."),
            (lambda u, y, n: sums(u, y, n) / counts(u, n), "0 / 0 is nan: users without rows get 0."),
            (lambda u, y, n: counts(u, n), "That is how many rows each user has."),
            (
                lambda u, y, n: (sums(u, y, n) / counts(u, n).clamp(min=1))[: int(u.max()) + 1],
                "There are n users, and the last ones have no rows: `minlength=n`.",
            ),
            (
                lambda u, y, n: sums(u, y, n) / (counts(u, n) + 1),
                "You divide by one too many; only where there is nothing, divide by 1.",
            ),
            (lambda u, y, n: sums(u, y, n) / len(u), "Divide by the user's own number of rows, not by all."),
            (lambda u, y, n: y.mean().expand(n), "That is the mean of all rows. Each user has one."),
            (
                lambda u, y, n: torch.where(counts(u, n) > 0, sums(u, y, n) / counts(u, n), 0.5),
                "Users without rows get 0, not a half.",
            ),
            (
                lambda u, y, n: torch.where(counts(u, n) > 0, sums(u, y, n) / counts(u, n), y.mean()),
                "Users without rows get 0, not the mean of all.",
            ),
            (
                lambda u, y, n: sums(u, (y > 0).float(), n) / counts(u, n).clamp(min=1),
                "You count labels above 0. Sum the labels themselves: `weights=label`.",
            ),
            (
                lambda u, y, n: torch.zeros(n).index_put((u,), y) / counts(u, n).clamp(min=1),
                "Assignment to one place keeps the last row only. `bincount` with `weights=` adds them all.",
            ),
            (
                lambda u, y, n: (sums(u, y, n) / counts(u, n).clamp(min=1)).roll(-1),
                "You are one place off: user 0 stands at place 0.",
            ),
            (
                lambda u, y, n: torch.stack(
                    [y[u == i].median() if (u == i).any() else 0 * y[0] for i in range(n)]
                ),
                "Those are medians. The mean is asked for.",
            ),
        ],
    )
    _without_loop(answer, (torch.randint(0, 180, (900,)), torch.rand(900), 200), "users or rows")


@exercise(
    "fast-5",
    "Two calls that do not count, then five times: clock, call, clock. The third of the sorted five.",
    "`time.perf_counter()` before and after each call of `f`; `sorted(waits)[2]` is the median of five.",
    todo="Complete the function `stopwatch(f)`: it returns a number of seconds.",
)
def fast_5(answer):
    waits = [
        (60, 30, 2, 2, 2, 2, 40),
        (0, 0, 4, 12, 20, 28, 36),
        (9, 9, 30, 10, 50, 20, 70),
    ]  # ms of the seven calls
    for seven in waits:
        said, made = _clocked(answer, seven)
        if isinstance(said, torch.Tensor) and said.numel() == 1:
            said = said.item()
        if not isinstance(said, int | float):
            raise Wrong(f"Return one number of seconds, not {type(said).__name__}.")
        if made != 7:
            raise Wrong(f"`f` was called {made} times: two that do not count, and five that do, are seven.")
        five = sorted(seven[2:])
        near = [
            (five[2], ""),
            (sum(five) / 5, "That is the mean of the five, which one slow call moves. Take the median."),
            (sum(five), "That is the sum of the five. The median is one of them."),
            (five[4], "That is the slowest of the five. The median is the third."),
            (five[0], "That is the fastest of the five. The median is the third of the sorted five."),
            (1000 * five[2], "Seconds are asked for, not milliseconds."),
            (sorted(seven)[3], "The first two calls do not count."),
            (seven[4], "That is the third call. Sort the five first."),
        ]
        texts = [text for value, text in near if abs(1000 * said - value) <= 1e-3 + 0.02 * value]
        if not texts:
            slow = ", ".join(map(str, seven[2:]))
            raise Wrong(
                f"For five calls of {slow} ms you say {1000 * said:.1f} ms. Clock each call alone: "
                "`time.perf_counter()` before it and after it."
            )
        if "" not in texts:
            raise Wrong(texts[0])


def _clocked(answer, milliseconds) -> tuple:
    """What the stopwatch says of calls that take this long by a clock that only they move, and how many it made."""
    now, made = 1000.0, 0

    def f():
        nonlocal now, made
        now += milliseconds[made % len(milliseconds)] / 1000
        made += 1

    clocks = ("perf_counter", "monotonic", "time", "process_time", "thread_time")
    read = {name: lambda: now for name in clocks} | {
        f"{name}_ns": lambda: round(now * 1e9) for name in clocks
    }
    name_of = {getattr(time, name): name for name in read}
    space = getattr(answer, "__globals__", {})  # `from time import perf_counter`
    taken = {name: value for name, value in space.items() if callable(value) and _is_clock(value, name_of)}
    real = {name: getattr(time, name) for name in read}
    bound = [answer, timeit.timeit, timeit.repeat, timeit.Timer.__init__]  # clocks among the defaults
    bound = {f: f.__defaults__ for f in bound if getattr(f, "__defaults__", None)}
    try:
        for function_, values in bound.items():
            function_.__defaults__ = tuple(
                read[name_of[v]] if callable(v) and _is_clock(v, name_of) else v for v in values
            )
        for name, clock in read.items():
            setattr(time, name, clock)
        space.update({name: read[name_of[value]] for name, value in taken.items()})
        said = answer(f)
    finally:
        for name, clock in real.items():
            setattr(time, name, clock)
        for function_, values in bound.items():
            function_.__defaults__ = values
        space.update(taken)
    return call(lambda: said), made


def _is_clock(value, clocks) -> bool:
    try:
        return value in clocks
    except TypeError:  # what cannot be hashed is no clock
        return False


quiz(
    "fast",
    [
        question(
            "A step makes 2,000 small calls. What helps most?",
            ("Fewer calls: a larger batch, or one call for many", True, "Yes: the calls are what you pay."),
            (
                "A processor with more GFLOP/s",
                False,
                "It would do the little work faster, between the same calls.",
            ),
            ("32-bit numbers", False, "Small calls move few bytes."),
        ),
        question(
            "What does a fused attention save?",
            ("Writing and reading the table of scores", True, "Yes: L × L numbers for each head and row."),
            ("Multiplications", False, "It does as many."),
            ("The softmax", False, "The result is the same, softmax included."),
        ),
        question(
            "A product of two 32 x 32 matrices on two threads instead of one:",
            ("Hardly faster, or slower", True, "Yes: waking a thread costs more than the product."),
            ("Twice as fast", False, "Only where the work is large against the cost of sharing it."),
            ("Another result", False, "The result is the same, to rounding."),
        ),
        question(
            "A library trains twice as fast as yours. What do you look at first?",
            ("Whether it computes the same", True, "Yes: results first, then times."),
            ("Its version of Python", False, "Look at the results first."),
            ("Its batch size on a GPU", False, "Worth a look, after the results."),
        ),
    ],
)

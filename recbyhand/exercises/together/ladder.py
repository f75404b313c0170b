"""Exercises of *The ladder*."""

from __future__ import annotations

import math

import pandas as pd
import torch

from recbyhand.exercises.engine import Wrong, call, close, exercise, function, one_of_wrong
from recbyhand.exercises.quizzes import question, quiz

T5 = 2.776  # Student's t for five runs


@exercise(
    "ladder-1",
    "Half the interval is t times the standard error, and the standard error is the deviation of a run over √5.",
    "The deviation of a run divides by n − 1 = 4: it is 0.00316.",
    todo="Replace the `...` by half the width of the interval.",
)
def ladder_1(answer):
    sd = math.sqrt(40e-6 / 4)
    one_of_wrong(
        answer,
        [
            (sd, "That is how far apart single runs are. The mean of five varies less: divide by √5."),
            (sd / math.sqrt(5), "That is the standard error. Multiply it by t = 2.776."),
            (T5 * sd, "That is the interval of a single run. The mean of five varies less: divide by √5."),
            (T5 * sd / 5, "Divide by √5, not by 5: variances of runs add up, deviations do not."),
            (1.96 * sd / math.sqrt(5), "1.96 is for many runs. For five the task gives t = 2.776."),
            (
                T5 * math.sqrt(40e-6 / 5) / math.sqrt(5),
                "Your deviation divides by 5. Of five runs it divides by n − 1 = 4: one degree went into the mean.",
            ),
            (2 * T5 * sd / math.sqrt(5), "That is the whole width. Half of it is asked for."),
        ],
        rtol=2e-3,
    )
    close(answer, T5 * sd / math.sqrt(5), rtol=2e-3)


def _models(g: torch.Generator):
    score, cost = torch.rand(9, generator=g), torch.randint(1, 6, (9,), generator=g).float()
    return score, cost


def _frontier(score, cost):
    pairs = list(zip(score.tolist(), cost.tolist()))
    return torch.tensor(
        [
            all(c > mine or s < best for j, (s, c) in enumerate(pairs) if j != i)
            for i, (best, mine) in enumerate(pairs)
        ]
    )


def _beaten(s, c, dear=torch.ge, better=torch.gt):
    """(N,) for each model i: is there a j that i costs as much as or more than, and that scores better?"""
    return (dear(c[:, None], c[None]) & better(s[None], s[:, None])).any(1)


@exercise(
    "ladder-2",
    "Compare every model with every other: `cost[:, None] >= cost` is (N, N).",
    "Model i is beaten if for some j both `cost[j] <= cost[i]` and `score[j] > score[i]`. The rest is the frontier.",
    todo="Complete the function `frontier(score, cost)`: it returns a bool tensor of shape (N,).",
)
def ladder_2(answer):
    function(
        answer,
        inputs=_models,
        oracle=_frontier,
        wrong=[
            (
                lambda s, c: _beaten(s, c),
                "These are the models that are beaten. The others are the frontier.",
            ),
            (
                lambda s, c: ~_beaten(s, c, dear=torch.gt),
                "A model of the same cost that scores more beats you, too: `<=` in the cost.",
            ),
            (
                lambda s, c: ~_beaten(s, c, dear=torch.le),
                "You look at dearer models. A model is off the frontier if one that costs no more scores more.",
            ),
            (
                lambda s, c: ~_beaten(s, c, better=torch.lt),
                "You keep the worst for its price. Look for another that scores *more*.",
            ),
            (
                lambda s, c: ~(_beaten(s, c, better=torch.ge)),
                "No model is left: every one is compared with itself, and costs no more and scores no less.",
            ),
            (lambda s, c: s == s.max(), "That is the best one alone. Cheaper ones may be worth their price."),
            (
                lambda s, c: s / c == (s / c).max(),
                "Score over cost ranks by a price that nobody set. Compare score and cost each for itself.",
            ),
            (
                lambda s, c: (~_beaten(s, c)).nonzero()[:, 0],
                "These are the places. A bool for each model is asked for.",
            ),
        ],
    )


def luck(n: int, sigma: float, size: bool = False) -> float:
    """Expected value of the largest of n normal numbers around 0 (of the largest size): an integral of 1 - F^n."""
    x = torch.linspace(-10, 10, 20001, dtype=torch.float64)
    below = torch.special.ndtr(x)
    below = (2 * below - 1).clamp(min=0) if size else below
    return sigma * torch.trapezoid((x > 0).double() - below**n, x).item()


@exercise(
    "ladder-3",
    "Draw many ladders of n models at once: `sigma * torch.randn(100_000, n)`.",
    "The best of each ladder is `.max(1).values`; the answer is the mean of these.",
    todo="Complete the function `luck(n, sigma)`: it returns a number.",
)
def ladder_3(answer):
    for n, sigma in ((2, 1.0), (29, 0.003), (8, 0.5)):
        said, truth = call(answer, n, sigma), luck(n, sigma)
        if isinstance(said, torch.Tensor) and said.numel() == 1:
            said = said.item()
        if isinstance(said, bool) or not isinstance(said, int | float):
            raise Wrong(f"Return one number, not {type(said).__name__}.")
        if abs(said - truth) <= 0.03 * truth:
            continue
        near = [
            (
                sigma * math.sqrt(2 * math.log(n)),
                "√(2 ln n) is a bound for large n. Simulate, and take the mean.",
            ),
            (
                luck(n, sigma, size=True),
                "You take the largest size, signs left out. The best has the largest score.",
            ),
            (
                0.0,
                "The mean of all n is 0. Take the best of each ladder first, then the mean over the ladders.",
            ),
            (sigma, "That is the error of one model. How large is the best of n?"),
            (truth / sigma, "Your scores have a standard deviation of 1: multiply by sigma."),
            (-truth, "That is the worst of n. The best is asked for."),
            (
                sigma * 4.3,
                "That is the best of all that you drew. Take the best of each ladder, then the mean.",
            ),
        ]
        for value, text in near:
            if abs(said - value) <= 0.03 * max(abs(value), truth):
                raise Wrong(text)
        raise Wrong(
            f"For n = {n} and sigma = {sigma:g} you say {said:.3g}; that is not the mean of the best of n, to 3 %.",
            "generic",
        )


def _runs(draw: int):
    g = torch.Generator().manual_seed(draw)
    seed = 0.05 * torch.randn(5, generator=g)  # what a seed does to both
    better, worse = (mean + seed + 0.004 * torch.randn(5, generator=g) for mean in (0.81, 0.79))
    return (worse, better) if draw % 2 else (better, worse)


def _t(a, b):
    d = [x - y for x, y in zip(a.tolist(), b.tolist())]
    mean = sum(d) / len(d)
    variance = sum((x - mean) ** 2 for x in d) / (len(d) - 1)
    return torch.tensor(mean / math.sqrt(variance / len(d)))


@exercise(
    "ladder-4",
    "First `d = a - b`, one number for each seed; then mean over standard error.",
    "The standard error of the mean of d is `d.std() / len(d) ** 0.5`.",
    todo="Complete the function `paired(a, b)`: it returns one number.",
)
def ladder_4(answer):
    def unpaired(a, b):
        return (a.mean() - b.mean()) / (a.var() / len(a) + b.var() / len(b)).sqrt()

    function(
        answer,
        inputs=[_runs(draw) for draw in range(4)],
        oracle=_t,
        rtol=1e-3,
        wrong=[
            (
                unpaired,
                "Each side has its own error here. Runs of one seed share its luck: take differences first.",
            ),
            (lambda a, b: -_t(a, b), "The sign: positive where a is better."),
            (lambda a, b: _t(a, b).abs(), "Keep the sign: it says who is better."),
            (
                lambda a, b: _t(a, b) / len(a) ** 0.5,
                "The mean of n runs varies √n times less than one of them.",
            ),
            (
                lambda a, b: _t(a, b) * (len(a) / (len(a) - 1)) ** 0.5,
                "Your deviation divides by n. From n runs it divides by n − 1.",
            ),
            (lambda a, b: (a - b).mean(), "That is the mean difference. Divide it by its standard error."),
            (
                lambda a, b: (a - b) / (a - b).std() * len(a) ** 0.5,
                "One number is asked for: the mean over the seeds.",
            ),
        ],
    )


MODELS = [  # valid, test, what luck adds to one run, infer_us, train_s: each but the first is a mistake's choice
    (0.80, 0.77, 0.0, 6.0, 20.0),
    (0.78, 0.80, 0.0, 5.0, 20.0),
    (0.76, 0.76, 0.06, 2.0, 20.0),
    (0.82, 0.81, 0.0, 60.0, 20.0),
    (0.79, 0.75, 0.0, 8.0, 5.0),
]


def _ladder(draw: int) -> pd.DataFrame:
    """Five models, three seeds, in any order: validation, test, luck and price each point at another one."""
    g = torch.Generator().manual_seed(draw)
    rows = []
    for place, (valid, test, lucky, infer, train) in zip(torch.randperm(5, generator=g).tolist(), MODELS):
        for seed in range(3):
            row = {"model": f"model {'ABCDE'[place]}", "seed": seed, "valid": valid + lucky * (seed == 0)}
            rows.append(row | {"test_auc": test + 0.001 * seed, "infer_us": infer, "train_s": train})
    return pd.DataFrame([rows[i] for i in torch.randperm(len(rows), generator=g).tolist()])


@exercise(
    "ladder-5",
    'First leave only models that are fast enough, then `groupby("model")`.',
    '`table.groupby("model")["valid"].mean().idxmax()`, of what is fast enough. Test decides nothing.',
    todo="Complete the function `choose(table, limit)`: it returns the name of a model.",
)
def ladder_5(answer):
    def pick(table, by="valid", how="mean", fast=True, price="infer_us", limit=10):
        table = table[table[price] <= limit] if fast else table
        return table.groupby("model")[by].agg(how).idxmax()

    slips = [
        (
            {"by": "test_auc"},
            "You choose by the test. It may only say how good the choice was: choose by `valid`.",
        ),
        ({"how": "max"}, "You choose the luckiest run. Take the mean over a model's runs."),
        ({"fast": False}, "That one is too slow: `infer_us` may not be above the limit."),
        ({"by": "test_auc", "fast": False}, "You choose by the test, and the model is too slow."),
        ({"price": "train_s"}, "The limit is on `infer_us`, a row's score, not on training."),
    ]
    for draw in range(3):
        table = _ladder(draw)
        said, truth = call(answer, table, 10), pick(table)
        if not isinstance(said, str):
            raise Wrong(f"Return the name of one model, a string, not {type(said).__name__}.")
        if said == truth:
            continue
        for how, text in slips:
            if said == pick(table, **how):
                raise Wrong(text)
        raise Wrong(
            f"You choose {said!r}; the best mean of `valid` among the fast enough is another.", "generic"
        )
    table = _ladder(0)
    best = pick(table)
    price = table.loc[table["model"] == best, "infer_us"].iloc[0]
    if call(answer, table, price) != best:
        raise Wrong("A model at the limit is fast enough: `<=`.")


quiz(
    "ladder",
    [
        question(
            "The first and the second on a ladder are 0.001 apart, the interval of their difference is ± 0.003. So:",
            ("They are not told apart", True, "Yes: which is first may be luck."),
            ("They are equally good", False, "Nobody knows: the difference may be 0.004, or −0.002."),
            ("The first is better", False, "The interval leaves 0 inside."),
        ),
        question(
            "Thirty equally good models are tested. The best score is:",
            ("Above what it would score on new data", True, "Yes: the best of thirty is lucky, too."),
            ("An unbiased estimate", False, "Each one is; the best of them, picked by its score, is not."),
            ("Below what it would score on new data", False, "It was picked because it came out high."),
        ),
        question(
            "A model wins on a planted world and not on MovieLens. What do you know?",
            ("Its mechanism works, and helps little here", True, "Yes: two questions, two answers."),
            ("The code has an error", False, "Then it would hardly win on the planted world."),
            ("MovieLens is too small", False, "Perhaps. Nothing here has tested that."),
        ),
        question(
            "Which number may choose the step size?",
            ("The score on validation", True, "Yes. The test only says how good the choice was."),
            (
                "The score on the test",
                False,
                "Then the test is part of the training, and its score is too high.",
            ),
            (
                "The loss on the training rows",
                False,
                "It falls on, long after the model has learned them by heart.",
            ),
        ),
    ],
)

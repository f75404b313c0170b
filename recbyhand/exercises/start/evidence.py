"""Checks of how sure are we."""

from __future__ import annotations

import math

import torch

from recbyhand.exercises.engine import call, close, exercise, function, one_of_wrong, wrong
from recbyhand.exercises.quizzes import question, quiz


@exercise(
    "sure-1",
    "Mean, standard deviation with 3 in the denominator, divided by the root of 4, times 3.182.",
    "The mean is 0.005, the sum of the squared deviations 0.00002.",
    todo="Replace the `...` by two numbers, the lower end and the upper end.",
)
def sure_1(answer):
    low, high = (float(end) for end in answer)
    d = [0.002, 0.004, 0.006, 0.008]

    def ends(spread, t=3.182, root=2.0):
        return 0.005 - t * spread / root, 0.005 + t * spread / root

    s = math.sqrt(20e-6 / 3)
    half = ends(s)[1] - 0.005
    one_of_wrong(
        (low, high),
        [
            (
                ends(s, root=1.0),
                "That is the spread of one difference. The mean of four is surer: divide by √4.",
            ),
            (
                ends(math.sqrt(20e-6 / 4)),
                "You divided the squares by 4. The mean was estimated, too: divide by 3.",
            ),
            (ends(s, t=1.96), "1.96 is for very many seeds. With four of them t = 3.182."),
            (ends(s, t=1.0), "That is one standard error on either side. Multiply it by t = 3.182."),
            (ends(s, root=4.0), "You divided by 4. The standard error is s divided by the ROOT of 4."),
            (ends(20e-6 / 3), "That is the variance. Take its root first."),
            ((min(d), max(d)), "That is the range of the four differences, not an interval for their mean."),
            ((half, half), "That is the half width. Take it off the mean and add it."),
            ((0.005, half), "Those are the mean and the half width. Take it off the mean and add it."),
            ((-half, half), "That is around zero. The interval lies around the mean, 0.005."),
            (
                ends(s, root=math.sqrt(3)),
                "Divide by the root of 4, the seeds; the 3 is in the variance already.",
            ),
            (ends(s)[::-1], "The lower end comes first."),
        ],
        rtol=2e-3,
    )
    close((low, high), ends(s), rtol=2e-3)


@exercise(
    "data-4",
    "Take a pair (i, j) of examples. There are four kinds: each of the two has p = 0.2 or p = 0.6, equally often.",
    "Each kind weighs p_i (1 - p_j): 0.6 × 0.8 for the right order, 0.6 × 0.4 and 0.2 × 0.8 for ties, 0.2 × 0.4 for "
    "the wrong order. A tie counts one half; divide by the sum of all four.",
    todo="Replace the `...` by the best possible AUC, a number.",
    solved="17/24: of 24 parts of weight 12 are in the right order, 10 are ties, and 2 are wrong whatever one knows.",
)
def data_4(answer):
    one_of_wrong(
        answer,
        [
            (
                0.5,
                "Ties count one half: two examples of the same half cannot be told apart, but they are pairs. "
                "(Or did you mean that the truth knows nothing? It does.)",
            ),
            (1.0, "Even the truth loses pairs: some examples with p = 0.2 are liked, some with 0.6 are not."),
            (11 / 12, "Ties count one half each, not one."),
            (0.68, "That is the numerator. Divide by the weight of all pairs, 0.96."),
            (
                0.17,
                "That is the numerator per kind of pair. Divide by the mean weight of all four kinds, 0.24.",
            ),
            (
                12 / 14,
                "You left the ties out of the numerator and the denominator. They are pairs, and count half.",
            ),
            (
                0.75,
                "That is the share of liked examples which have p = 0.6. AUC counts pairs of two examples.",
            ),
            (
                0.48,
                "That is the weight of the pairs in the right order. Add half of the ties, divide by all.",
            ),
            (0.6, "No pair is won with probability p: a pair needs one that is liked and one that is not."),
            (
                0.4,
                "That is the share of likes. AUC asks of pairs, one liked and one not, which scores higher.",
            ),
        ],
    )
    close(answer, 17 / 24, atol=6e-4)  # three digits will do


@exercise(
    "sure-2",
    "Write the ten runs in order. In how many ways can five places belong to the first model?",
    "10 choose 5 is 252. In how many of these do the five stand at one end?",
    todo="Replace the `...` by a probability.",
    solved="Less than one in a hundred; for three against three it is 2/20.",
)
def sure_2(answer):
    one_of_wrong(
        answer,
        [
            (1 / 252, "Either model may be the one that is ahead: count both ends."),
            (0.1, "That is three against three, 2/20. Here it is five against five."),
            (2 / 32, "Not a coin for each pair: it is about the order of all ten."),
            (1 / 32, "Not a coin for each pair: it is about the order of all ten, and either may be ahead."),
            (0.05, "5 % is how often an interval is wrong. This rule has a rate of its own: count orders."),
            (252.0, "That is how many ways there are. How many of them do not overlap?"),
            (2 / 2**10, "Not a coin for each run: five of the ten belong to each model. Count 10 choose 5."),
            (
                2 * math.factorial(5) / math.factorial(10),
                "The runs of the other model can be exchanged as well: 5! × 5! orders look the same.",
            ),
            (
                2 / math.factorial(10),
                "Which run of a model is which does not matter: 10 choose 5 ways, not 10!.",
            ),
            (
                2 / 25,
                "There are 25 pairs, but they are not equally likely ways. Count orders of ten numbers.",
            ),
        ],
    )
    close(answer, 2 / 252, rtol=6e-3)


def _says(a, b, t, root=None, correction=1, sided=1.0):
    d = [float(x) - float(y) for x, y in zip(a, b, strict=True)]
    n, mean = len(d), sum(d) / len(d)
    s = math.sqrt(sum((x - mean) ** 2 for x in d) / (n - correction))
    half = sided * t * s / (math.sqrt(n) if root is None else root)
    return "better" if mean > half else "worse" if mean < -half else "not told apart"


def _without_pairs(a, b, t):
    half = t * math.sqrt(float(a.var() + b.var()) / len(a))
    mean = float(a.mean() - b.mean())
    return "better" if mean > half else "worse" if mean < -half else "not told apart"


def _by_mean(a, b, t):
    return "better" if a.mean() > b.mean() else "worse"


def _by_range(a, b, t):
    return "better" if a.min() > b.max() else "worse" if a.max() < b.min() else "not told apart"


def _upside_down(a, b, t):
    return _says(b, a, t)


def _seeds(shift, spread, n=5, common=0.02):
    """Two models over n seeds: a common part, and differences of this mean and spread."""

    def pair(g):
        hard = common * torch.randn(n, generator=g)
        d = torch.randn(n, generator=g)
        d = shift + spread * (d - d.mean()) / d.std()
        return 0.75 + hard + d, 0.75 + hard

    return pair


@exercise(
    "sure-3",
    "Take the differences first; everything else is about them.",
    "`half = t * d.std() / math.sqrt(len(d))`; then ask on which side of zero the whole interval lies.",
    todo="Complete `says(a, b, t)`: it returns one of three words.",
)
def sure_3(answer):
    cases = [
        (0.01, 0.004, 5, 2.776),  # t = 5.6
        (-0.01, 0.004, 5, 2.776),
        (0.002, 0.004, 5, 2.776),  # not told apart
        (0.008, 0.005, 5, 2.776),  # 3.6: by s alone it would not be
        (0.0048, 0.004, 5, 2.776),  # 2.68: just not
        (0.0052, 0.004, 5, 2.776),  # 2.91: just
        (-0.0052, 0.004, 5, 2.776),
        (0.01, 0.004, 10, 2.262),
        (0.0027, 0.004, 10, 2.262),  # 2.13: not; with the root of 5 neither
        (0.02, 0.005, 3, 4.303),
        (0.0028, 0.004, 5, 2.776),  # 1.6: not; divided by S it would be
        (0.0005, 0.004, 5, 2.776),  # less than one error
        (0.0121, 0.004, 5, 2.776),  # clear even without pairs, though the ranges overlap
        (0.03, 0.004, 5, 2.776),  # with little in common: the ranges are apart
    ]
    common = {0.0121: 0.004, 0.03: 0.002}
    draws = [
        (*_seeds(shift, spread, n, common.get(shift, 0.02))(torch.Generator().manual_seed(k)), t)
        for k, (shift, spread, n, t) in enumerate(cases)
    ]

    same_side = torch.tensor([0.001, 0.001, 0.02])  # all above zero, and yet the interval is not
    one_below = torch.tensor([0.010, 0.011, 0.012, 0.009, -0.0005, 0.010, 0.011, 0.012])
    draws += [
        (0.7 + side, torch.full_like(side, 0.7), t) for side, t in ((same_side, 4.303), (one_below, 2.365))
    ]

    def said(a, b, t):
        out = call(answer, a, b, t)
        word = str(out).strip().lower() if isinstance(out, str) else out
        if not isinstance(word, str):
            wrong('Return a word: "better", "worse" or "not told apart".')
        if word in ("equal", "no difference", "the same"):
            wrong('Not told apart is not equal. The third word is "not told apart".')
        if word not in ("better", "worse", "not told apart"):
            wrong(f'"{word}" is none of the three words.')
        return word

    function(
        said,
        draws,
        _says,
        wrong=[
            (_upside_down, "The other way round: it is `a` that is better or worse than `b`."),
            (_by_mean, "You compare the means alone. Where zero is inside the interval the word is another."),
            (_without_pairs, "You use the spread of both columns. Take the differences first: pairs."),
            (
                lambda a, b, t: "better" if (a > b).all() else "worse" if (a < b).all() else "not told apart",
                "You ask whether all differences have one sign. The interval also asks how far they scatter.",
            ),
            (_by_range, "You ask whether the ranges overlap. Ask whether the interval leaves out zero."),
            (
                lambda a, b, t: _says(a, b, t, root=1.0),
                "That is the spread of one difference; for their mean divide it by √S.",
            ),
            (
                lambda a, b, t: _says(a, b, 1.0),
                "You take one standard error on either side. Multiply it by t.",
            ),
            (
                lambda a, b, t: _says(a, b, 1.96),
                "You use 1.96. The t that is given depends on the number of seeds.",
            ),
            (
                lambda a, b, t: _says(a, b, t, correction=0),
                "You divide the squares by S. Divide by S - 1, as `d.std()` does.",
            ),
            (
                lambda a, b, t: _says(a, b, t, root=float(len(a))),
                "You divide by S. The standard error divides by its root.",
            ),
            (
                lambda a, b, t: "better" if _says(a, b, t) == "better" else "not told apart",
                'You never say "worse": look below zero, too.',
            ),
        ],
        hint="Take d = a - b; the half width is t times the standard deviation of d, divided by √S.",
    )


@exercise(
    "sure-4",
    "For each sentence: which draw does it speak of, and has that been drawn more than once?",
    "Users were drawn, so the test counts; seeds were not, and nothing was taken out.",
    todo='Replace the `...` by a set of letters, such as {"a", "c"}.',
    solved="And with ten rows, 40 % of such tables hold one.",
)
def sure_4(answer):
    letters = {str(letter).strip().lower() for letter in answer}
    if not letters <= set("abcde"):
        wrong("Give a set of some of the letters a to e.")
    if "b" in letters:
        wrong("b: not told apart is not equal. Their intervals say which differences could have hidden.")
    if "c" in letters:
        wrong("c names a cause. That takes a second model, equal in all but the layer.")
    if "e" in letters:
        wrong("e speaks of other trainings, and only one was made. That takes seeds.")
    if "a" not in letters:
        wrong("One is missing: what does an interval over users, of two trained models, allow?")
    if "d" not in letters:
        wrong("One is missing: in ten rows, how often is one of them wrong by chance? 1 - 0.95 ** 10.")


quiz(
    "sure",
    [
        question(
            "Two models: +0.003, the 95 % interval over five seeds is -0.001 to 0.007. What do you write?",
            ("They are equal.", False, "A difference of 0.007 fits these runs, too."),
            (
                "Not told apart; up to 0.007 could have hidden.",
                True,
                "Yes: the word, and what it leaves open.",
            ),
            ("The first is better, by 0.003.", False, "Zero is in the interval."),
        ),
        question(
            "A model in closed form, the same result at every run, against a baseline that counts. Which unit?",
            ("five seeds", False, "There is nothing random in either: all seeds say the same."),
            ("the users of the test", True, "Yes: only the people could have been others."),
            ("the rows of the test", False, "Rows of one person are not independent."),
        ),
        question(
            "Settings were tried on the test, and the best number is in the table. What is it?",
            ("an estimate that is too high", True, "Yes: part of it is luck with these people."),
            (
                "fair, as all models were tried alike",
                False,
                "Then all are too high, the one tried most by most.",
            ),
            ("fair, since the test was never trained on", False, "Choosing is a way of learning."),
        ),
        question(
            "Why are users, not rows, the units of the error bars in this book?",
            (
                "because rows of one person are not independent",
                True,
                "Yes. One generous person adds forty rows that agree with each other.",
            ),
            (
                "because there are fewer users, so it is faster",
                False,
                "It is not about speed: with rows the bars are too short.",
            ),
            (
                "because AUC is computed per user",
                False,
                "GAUC is; AUC is not. The units are those that were sampled: people.",
            ),
        ),
    ],
)

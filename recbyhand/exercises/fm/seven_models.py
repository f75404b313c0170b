"""Checks of chapter 3: seven models on equal terms."""

from __future__ import annotations

import math

import torch

from recbyhand.exercises.engine import Wrong, call, exercise, function
from recbyhand.exercises.quizzes import question, quiz


def _sizes(g: torch.Generator) -> tuple:
    def draw(low, high):
        return int(torch.randint(low, high, (), generator=g))

    return draw(3, 12), draw(100, 5000), draw(4, 20), draw(10, 70)


@exercise(
    "seven-1",
    "Go through `DeepFM.__init__`: base, single weights, vectors, two linear layers with their biases.",
    "1 + n + n d for the FM; the hidden layer reads F d numbers and has h biases; the last one reads h and has 1.",
    todo="Complete the function `parameters(F, n, d, h)`: it returns a whole number.",
    solved="Right. Nearly all of it is n d: on many ids, a network is cheap beside the vectors that it reads.",
)
def seven_1(answer):
    def count(F, n, d, h):
        return 1 + n + n * d + (F * d + 1) * h + h + 1

    function(
        answer,
        inputs=_sizes,
        oracle=count,
        wrong=[
            (lambda F, n, d, h: count(F, n, d, h) - 1 - n, "Base and single weights are missing: 1 + n."),
            (lambda F, n, d, h: count(F, n, d, h) - n, "The n single weights w_i are missing."),
            (
                lambda F, n, d, h: count(F, n, d, h) - 1,
                "Nearly: either the base or the last bias is missing.",
            ),
            (
                lambda F, n, d, h: count(F, n, d, h) - h - 1,
                "The biases of the two layers are missing: h and 1.",
            ),
            (lambda F, n, d, h: count(F, n, d, h) - h - 2, "All biases are missing: w_0, h of them, and 1."),
            (
                lambda F, n, d, h: count(F, n, d, h) + n * d,
                "Pair sum and network share their vectors: count n d once.",
            ),
            (
                lambda F, n, d, h: count(F, n, d, h) - (F - 1) * d * h,
                "The hidden layer reads the vectors of all F fields side by side: F d numbers, not d.",
            ),
            (
                lambda F, n, d, h: count(F, n, d, h) + (n - F) * d * h,
                "The network reads one vector per field, F of them, not all n.",
            ),
            (lambda F, n, d, h: 1 + n + n * d, "That is the FM. Add the network: two linear layers."),
            (
                lambda F, n, d, h: count(F, n, d, h) - 1 - n - n * d,
                "That is the network. Add the FM that it shares with.",
            ),
            (
                lambda F, n, d, h: count(F, n, d, h) - 2,
                "Two numbers are missing: the base and the last bias.",
            ),
            (
                lambda F, n, d, h: count(F, n, d, h) + F * (F - 1) // 2,
                "A pair of fields has no number of its own: its weight is a dot product.",
            ),
            (
                lambda F, n, d, h: count(F, n, d, h) - (n - F) * d,
                "One row *uses* F vectors; the model *learns* one for each of its n features.",
            ),
            (
                lambda F, n, d, h: count(F, n, d, h) - h,
                "The h biases of the hidden layer are missing.",
            ),
            (
                lambda F, n, d, h: count(F, n, d, h) - n + F,
                "You count a single weight per field. Each of the n features has one.",
            ),
        ],
        hint="Not the number. Count a small model by hand: F = 2, n = 5, d = 3 and h = 4 make 54.",
        rtol=0,
        atol=0.5,
    )


def _ends() -> list[tuple]:
    """Three intervals each: all above 0, all below, crossing, and mixtures."""
    return [
        ([0.001, 0.002, 0.004], [0.005, 0.007, 0.009]),
        ([-0.009, -0.006, -0.008], [-0.001, -0.002, -0.003]),
        ([-0.001, 0.002, 0.004], [0.005, 0.007, 0.009]),
        ([-0.009, -0.006, -0.008], [-0.001, 0.002, -0.003]),
        ([-0.004, -0.003, -0.005], [0.005, 0.002, 0.003]),
        ([0.001, -0.009, -0.003], [0.005, -0.002, 0.004]),
        ([-0.001, 0.003, 0.002], [0.005, 0.013, 0.012]),
        ([-0.001, -0.001, 0.012], [0.005, 0.006, 0.022]),
        ([-0.002, -0.003, 0.001], [0.004, 0.005, 0.003]),
        ([0.0, 0.002, 0.004], [0.005, 0.007, 0.009]),  # an end at 0 is not above it
        ([-0.009, -0.006, -0.008], [-0.001, 0.0, -0.003]),
        ([0.001, 0.002, 0.004, -0.003], [0.005, 0.007, 0.009, 0.004]),  # four seeds
        ([0.0001, 0.002, 0.004], [0.005, 0.007, 0.009]),
    ]


def _judge(lows, highs):
    return "better" if min(lows) > 0 else "worse" if max(highs) < 0 else "not told apart"


@exercise(
    "seven-2",
    "What must hold for *every* seed if the answer is to be 'better'?",
    "'better' if the smallest of the lows is above 0; 'worse' if the largest of the highs is below 0.",
    todo="Complete the function `judge(lows, highs)`: it returns 'better', 'worse' or 'not told apart'.",
)
def seven_2(answer):
    def first(lows, highs):
        return _judge(lows[:1], highs[:1])

    def votes(lows, highs):
        up, down = sum(low > 0 for low in lows), sum(high < 0 for high in highs)
        return "better" if up > len(lows) / 2 else "worse" if down > len(lows) / 2 else "not told apart"

    def some(lows, highs):
        return "better" if max(lows) > 0 else "worse" if min(highs) < 0 else "not told apart"

    def averaged(lows, highs):
        return _judge([sum(lows) / len(lows)], [sum(highs) / len(highs)])

    def middles(lows, highs):
        middle = [(low + high) / 2 for low, high in zip(lows, highs, strict=True)]
        return _judge(middle, middle)

    def turned(lows, highs):
        words = {"better": "worse", "worse": "better"}
        return words.get(_judge(lows, highs), "not told apart")

    function(
        answer,
        inputs=_ends(),
        oracle=_judge,
        wrong=[
            (first, "You look at the first seed only."),
            (lambda lows, highs: _judge(lows[-1:], highs[-1:]), "You look at the last seed alone."),
            (
                lambda lows, highs: [_judge([a], [b]) for a, b in zip(lows, highs, strict=True)],
                "One word for each seed: make one of the three, and only agreement counts.",
            ),
            *(
                (lambda lows, highs, word=word: _judge(lows, highs).replace("not told apart", word), text)
                for word, text in (
                    ("equal", 'Not told apart is not equal: the word is "not told apart".'),
                    (
                        "no difference",
                        'A difference may hide in the intervals: the word is "not told apart".',
                    ),
                )
            ),
            (
                lambda lows, highs: _judge(lows, highs).capitalize(),
                'Right, but for the capital letter: the words are "better", "worse" and "not told apart".',
            ),
            (votes, "That is a vote of the majority. All three must agree."),
            (some, "One seed is enough for you. All three must agree."),
            (
                averaged,
                "You average the ends: one lucky seed then outvotes the others. All three must agree.",
            ),
            (
                lambda lows, highs: (
                    "better" if min(lows) >= 0 else "worse" if max(highs) <= 0 else "not told apart"
                ),
                "An interval that ends at 0 holds it: above zero is `> 0`, not `>= 0`.",
            ),
            (
                lambda lows, highs: _judge(lows[:3], highs[:3]),
                "You look at three seeds. There may be more: `min` and `max`, or `all`.",
            ),
            (middles, "You look at the differences, not at their intervals: nothing is ever uncertain."),
            (turned, "Turned round: above 0 means that the model is better."),
            (
                lambda lows, highs: _judge(highs, lows),
                "The other ends: an interval lies above 0 if its *low* end does, below 0 if its *high* end does.",
            ),
            (
                lambda lows, highs: "better" if min(lows) > 0 else "worse",
                "What is not better need not be worse: an interval may hold 0.",
            ),
        ],
        hint="Not for all intervals. Try three that lie above 0, and three of which one holds 0.",
    )


def _expected_best(k: int, s: float) -> float:
    """The mean of the largest of k normals: x times its density, k F(x)^(k-1) f(x), added up on a fine grid."""
    x = torch.linspace(-9, 9, 18_001, dtype=torch.double)
    density = k * torch.special.ndtr(x) ** (k - 1) * torch.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    return s * float((x * density).sum()) * 0.001


@exercise(
    "seven-3",
    "Draw k numbers from a normal distribution with standard deviation s, and keep the largest. Do it often.",
    "`torch.randn(100_000, k)`, the maximum of each row, their mean, times s.",
    todo="Complete the function `luck(k, s)`: it returns a number, exact or simulated (2 % is near enough).",
    solved="Right. Pick the best of a few by the test rows, and what you report is luck to this amount.",
)
def seven_3(answer):
    wrong = [
        (lambda k, s: 0.0, "On average a *single* run has no luck. The best of k has."),
        (lambda k, s: s, "That is the spread of one run; the best of k depends on k."),
        (lambda k, s: s * math.sqrt(k), "The sum of k grows with √k; their maximum grows much more slowly."),
        (lambda k, s: s / math.sqrt(k), "That is the error of the mean of k. The largest is asked for."),
        (
            lambda k, s: s * math.sqrt(2 * math.log(k)),
            "√(2 ln k) is only where it goes for very large k. Simulate.",
        ),
        (
            lambda k, s: s * _mean_largest_size(k),
            "You took the largest *size*, signs dropped. Bad luck is not good luck: keep the signs.",
        ),
        (
            lambda k, s: 2 * _expected_best(k, s),
            "That is the gap between the best and the worst. From the truth it is half of that.",
        ),
        (
            lambda k, s: s**2 * _expected_best(k, 1),
            "s is a standard deviation already: multiply by s, not by s².",
        ),
        (lambda k, s: _expected_best(k, 1), "That is for s = 1: multiply by s."),
        (lambda k, s: -_expected_best(k, s), "That is the luck of the worst. The best lies as far above."),
    ]
    inputs = [(3, 1.0), (11, 0.5), (6, 2.0), (20, 0.1)]
    got, again = ([float(call(answer, k, s)) for k, s in inputs] for _ in range(2))

    def near(values, tolerance=0.02):
        return all(abs(a - b) <= tolerance * s for a, b, (_, s) in zip(got, values, inputs, strict=True))

    if near([_expected_best(k, s) for k, s in inputs], 0.04):
        return
    if not near(again, 0.2):
        raise Wrong("Two calls with the same k and s differ a lot: that is one draw. Average over many.")
    for slip, text in wrong:
        if near([slip(k, s) for k, s in inputs]):
            raise Wrong(text)
    if near([_expected_best(k, s) for k, s in inputs], 0.3):
        raise Wrong(
            "Near, but not the mean of the largest. If you draw, draw more often; if you have a formula: the median of "
            "the largest, and quantiles, lie elsewhere."
        )
    raise Wrong("Not yet: for k = 3 and s = 1 the mean of the largest is about 0.85. How large is yours?")


def _mean_largest_size(k: int) -> float:
    g = torch.Generator().manual_seed(1)
    return float(torch.randn(200_000, k, generator=g).abs().max(1).values.mean())


def _rows(g: torch.Generator) -> tuple:
    n = 6
    auc = (0.78 + 0.012 * torch.rand(n, generator=g)).tolist()
    std = (0.0005 + 0.002 * torch.rand(n, generator=g)).tolist()
    size = (torch.randperm(60, generator=g)[:n] * 1000 + 1000).tolist()
    return [f"m{i}" for i in range(n)], auc, std, size


# Two models of nearly equal means, and a small one that is far behind: rules that mix up limits fall apart here.
_ODD = [
    (["m0", "m1", "m2"], [0.79, 0.789999, 0.77], [0.001, 0.001, 0.002], [9000, 5000, 7000]),
    (["m0", "m1", "m2"], [0.79, 0.785, 0.55], [0.001, 0.001, 0.002], [9000, 5000, 1000]),
]


def _cheapest(names, auc, std, size):
    best = max(range(len(names)), key=lambda i: auc[i])
    near = [
        i
        for i in range(len(names))
        if auc[best] - auc[i] <= 2 * math.sqrt(std[best] ** 2 / 3 + std[i] ** 2 / 3)
    ]
    return names[min(near, key=lambda i: size[i])]


@exercise(
    "seven-4",
    "First find the best mean. Then ask of each model whether its gap to it is within the limit.",
    "The limit for model i: 2 √(s_best²/3 + s_i²/3). Among those within, take the one with the fewest parameters.",
    todo="Complete the function `cheapest(names, auc, std, size)`: it returns one of the names.",
    solved="Right. Run it on both tables: what would you build?",
)
def seven_4(answer):
    def best(names, auc, std, size):
        return names[auc.index(max(auc))]

    def smallest(names, auc, std, size):
        return names[size.index(min(size))]

    def limited(limit):
        def pick(names, auc, std, size):
            b = max(range(len(names)), key=lambda i: auc[i])
            near = [i for i in range(len(names)) if auc[b] - auc[i] <= limit(std[b], std[i])]
            return names[min(near, key=lambda i: size[i])]

        return pick

    def largest(names, auc, std, size):
        b = max(range(len(names)), key=lambda i: auc[i])
        gap = [auc[b] - a for a in auc]
        near = [i for i in range(len(names)) if gap[i] <= 2 * math.sqrt((std[b] ** 2 + std[i] ** 2) / 3)]
        return names[max(near, key=lambda i: size[i])]

    g = torch.Generator().manual_seed(7)
    function(
        answer,
        inputs=[_rows(g) for _ in range(300)] + _ODD,
        oracle=_cheapest,
        wrong=[
            (
                best,
                "That is the best mean, whatever it costs. A cheaper one may be as good within the error.",
            ),
            (
                smallest,
                "That is the smallest of all, however bad. First ask which are near enough to the best.",
            ),
            (
                limited(lambda a, b: 2 * math.sqrt(a**2 + b**2)),
                "You took the error of one run. A mean of three has an error √3 times smaller.",
            ),
            (
                limited(lambda a, b: math.sqrt((a**2 + b**2) / 3)),
                "One standard error is too strict: the limit is two.",
            ),
            (
                limited(lambda a, b: 2 * math.sqrt(b**2 / 3)),
                "The best mean has an error, too: both squares belong under the root.",
            ),
            (
                limited(lambda a, b: 2 * (a + b) / math.sqrt(3)),
                "Errors do not add up; their squares do.",
            ),
            (
                limited(lambda a, b: 2 * math.sqrt(a**2 / 3)),
                "You count the error of the best mean alone. The other model's counts, too.",
            ),
            (
                lambda *x: x[0].index(_cheapest(*x)),
                "That is its place in the list. Return the name that stands there.",
            ),
            (largest, "Of those that are near enough, take the one with the fewest parameters."),
            (
                limited(lambda a, b: 2 * (a**2 + b**2) / 3),
                "That is twice a variance, which is tiny. The limit is two standard errors: take the root.",
            ),
            (
                limited(lambda a, b: 2 * math.sqrt((a + b) / 3)),
                "Variances stand under the root: square the standard deviations before you add them.",
            ),
            (
                limited(lambda a, b: 2 * math.sqrt(a**2 + b**2) / 3),
                "The variance is s²/3. Under the root stands the 3, and outside of it you would write √3.",
            ),
            (lambda *x: min(x[3]), "That is a number of parameters, of the smallest of all. Return a name."),
        ],
        hint="Not the model that the rule takes. Print the gap to the best mean and the limit, model by model.",
    )


quiz(
    "seven",
    [
        question(
            "Why is a setting chosen on the validation part, and not on the test part?",
            (
                "The best of several test scores is partly luck, and would be reported",
                True,
                "Yes: and the more settings, the more luck.",
            ),
            ("The test part is too small", False, "Here it is larger than the validation part."),
            ("It is faster", False, "Both cost one prediction."),
            ("Validation rows are easier", False, "They need not be; what matters is not reporting them."),
        ),
        question(
            "Two models were each trained once. A paired interval says that A is better. What is still unknown?",
            (
                "Whether other initial weights would say the same",
                True,
                "Yes: the interval covers other users, not other seeds.",
            ),
            ("Whether other users would say the same", False, "That is just what the interval covers."),
            ("Which one has the higher AUC on these rows", False, "That is known exactly."),
            ("Nothing", False, "One training is one draw of initial weights and of the order of rows."),
        ),
        question(
            "All models had the same six settings. Is that fair?",
            (
                "Equal, but a grid may suit one model better than another",
                True,
                "Yes: if the best setting lies at the edge or between two, look closer before you judge.",
            ),
            ("Yes: equal is fair", False, "A grid without the setting that a model needs is no fair trial."),
            ("No: each should have the paper's settings", False, "Those were chosen for other data."),
            ("No: larger models need more settings", False, "Size alone does not decide that."),
        ),
        question(
            "Why does AFM learn from fewer rows a second than FM?",
            (
                "Its sum runs over pairs and does not factor",
                True,
                "Yes: the weight depends on the pair, so each pair must be made.",
            ),
            ("It has more vectors", False, "It has the same table."),
            ("It has more parameters", False, "Hardly more: the attention net is small."),
            ("Its learning rate is smaller", False, "The speed of a pass does not depend on it."),
        ),
    ],
)

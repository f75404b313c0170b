"""Checks of chapter 3: Wide & Deep and DeepFM."""

from __future__ import annotations

import torch

from recbyhand.exercises.engine import (
    AUTOGRAD,
    Wrong,
    call,
    close,
    edge,
    exercise,
    function,
    same,
    shape,
    uses,
)
from recbyhand.exercises.quizzes import question, quiz

sigmoid = torch.sigmoid


def _parts(g: torch.Generator) -> tuple:
    return torch.randn(5, generator=g), torch.randn(5, 3, generator=g), 2 * torch.randn(5, 1, generator=g)


@exercise(
    "wd-1",
    "Three numbers per row: the linear part, the sum of `f` over its axis 1, the one column of `deep`.",
    "Add the three, then take one sigmoid of the sum. `deep[:, 0]` is (B,).",
    todo="Complete the function `probability(linear, f, deep)`: it returns a tensor of shape (B,).",
    solved="Right: add first, one sigmoid at the end.",
)
def wd_1(answer):
    def logit(linear, f, deep):
        return linear + f.sum(1) + deep[:, 0]

    function(
        answer,
        inputs=_parts,
        oracle=lambda linear, f, deep: 1 / (1 + (-logit(linear, f, deep)).exp()),
        wrong=[
            (logit, "These are the logits. Probabilities are asked for: one sigmoid, of the whole sum."),
            (
                lambda linear, f, deep: sigmoid(linear + f.sum(1) + sigmoid(deep[:, 0])),
                "Two sigmoids: so the deep part can never lower the score. Leave the inner one out.",
            ),
            (
                lambda linear, f, deep: (sigmoid(linear + f.sum(1)) + sigmoid(deep[:, 0])) / 2,
                "You average two probabilities. Both parts write into one logit: add, then one sigmoid.",
            ),
            (
                lambda linear, f, deep: sigmoid(f.sum(1) + deep[:, 0]),
                "The base and the single weights are missing: the part `linear`.",
            ),
            (lambda linear, f, deep: sigmoid(linear + f.sum(1)), "The deep part is missing."),
            (
                lambda linear, f, deep: sigmoid(linear + deep[:, 0]),
                "The pair sum is missing: `f` summed over its d coordinates.",
            ),
            (
                lambda linear, f, deep: sigmoid(linear + f.mean(1) + deep[:, 0]),
                "The pair sum is a sum over the d coordinates, not their mean.",
            ),
            (
                lambda linear, f, deep: sigmoid(linear + f.sum() + deep[:, 0]),
                "`f.sum()` adds up all rows of the batch. Each row has a pair sum of its own: axis 1.",
            ),
            (
                lambda linear, f, deep: sigmoid(linear + f.sum(1) + deep[:, 0].relu()),
                "A ReLU on the deep part cuts off every no. Any number may come out of it.",
            ),
            (
                lambda linear, f, deep: sigmoid(linear + f.sum(1) + deep),
                "`deep` is (B, 1), the others (B): that broadcasts to (B, B). Take its column: `deep[:, 0]`.",
            ),
            (
                lambda linear, f, deep: sigmoid(logit(linear, f, deep))[:, None],
                "The numbers are right; the shape is (B, 1), and (B,) is asked for.",
            ),
            (
                lambda linear, f, deep: sigmoid(sigmoid(logit(linear, f, deep))),
                "A sigmoid of a probability: so nothing falls below one half. One sigmoid is enough.",
            ),
            (
                lambda linear, f, deep: sigmoid(linear + f.sum(1)) * sigmoid(deep[:, 0]),
                "You multiply two probabilities, as if both parts had to say yes. They add up in one logit.",
            ),
            (
                lambda linear, f, deep: sigmoid(linear + 0.5 * f.sum(1) + deep[:, 0]),
                "The ½ of the identity is in f already: f is the pair sum, not twice as much.",
            ),
        ],
        hint="Not DeepFM's probability. A row with linear 1, f = (2, 3) and deep -6 has the logit 0.",
    )
    edge(
        answer,
        (torch.tensor([200.0, -200.0]), torch.zeros(2, 3), torch.zeros(2, 1)),
        lambda linear, f, deep: sigmoid(logit(linear, f, deep)),
        "A logit of 200 makes infinity of `exp`, and infinity by infinity is no number: `torch.sigmoid`.",
    )


def _pairs(g: torch.Generator) -> tuple:
    n_a, n_b = (int(torch.randint(3, 9, (), generator=g)) for _ in range(2))
    n_b += n_a == n_b  # n_a and n_b are told apart
    a, b = (int(torch.randint(1, n, (), generator=g)) for n in (n_a, n_b))
    return a, b, n_a, n_b


@exercise(
    "wd-2",
    "How many rows stand before the first row of value `a`?",
    "Each value of field a takes a block of n_b rows; `a` whole blocks come before, then `b` more rows.",
    todo="Complete the function `row(a, b, n_a, n_b)`: it returns a whole number.",
    solved="Right. n_a only says how long the table is.",
)
def wd_2(answer):
    function(
        answer,
        inputs=_pairs,
        oracle=lambda a, b, n_a, n_b: [(i, j) for i in range(n_a) for j in range(n_b)].index((a, b)),
        wrong=[
            (lambda a, b, n_a, n_b: a * n_a + b, "A block has one row per value of field b: n_b, not n_a."),
            (
                lambda a, b, n_a, n_b: b * n_a + a,
                "That puts field b first: all pairs of b's value 0, then those of its value 1.",
            ),
            (lambda a, b, n_a, n_b: b * n_b + a, "The roles of a and b are swapped: a chooses the block."),
            (
                lambda a, b, n_a, n_b: a * b,
                "Many pairs share a product: 1 · 4 and 2 · 2 would share a weight.",
            ),
            (lambda a, b, n_a, n_b: a + b, "Many pairs share a sum; each needs a row of its own."),
            (lambda a, b, n_a, n_b: n_a + b, "That is where a table for single features would have b."),
            (lambda a, b, n_a, n_b: a * n_b + b + 1, "One too many: rows are counted from 0."),
            (
                lambda a, b, n_a, n_b: a * n_b + b - 1,
                "One too few: in a block, value 0 of field b stands first.",
            ),
            (lambda a, b, n_a, n_b: a * n_b, "There the block of value `a` begins. Go on to `b` inside it."),
            (lambda a, b, n_a, n_b: n_a * n_b, "That is the length of the whole table."),
            (
                lambda a, b, n_a, n_b: (a - 1) * n_b + b,
                "Values are counted from 0: before value 1 stands one block.",
            ),
            (
                lambda a, b, n_a, n_b: (a + 1) * n_b + b,
                "One block too many: before the block of value 0 there is none.",
            ),
            (
                lambda a, b, n_a, n_b: a * (n_b - 1) + b,
                "A block has n_b rows, for the values 0 to n_b - 1: there are n_b of them.",
            ),
        ],
        hint="Not this row. With n_a = 2 and n_b = 3 they go (0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2).",
        times=8,
    )


def _row(g: torch.Generator) -> tuple:
    s, t = 1.5 * torch.randn(6, generator=g), 1.5 * torch.randn(6, generator=g)
    return s, t, torch.randint(2, (6,), generator=g).float()


def _slope(t):
    return sigmoid(t) * (1 - sigmoid(t))


def _by_autograd(s, t, y, inner):
    t = t.detach().double().requires_grad_()
    z = s.double() + (sigmoid(t) if inner else t)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(z, y.double(), reduction="sum")
    return torch.autograd.grad(loss, t)[0]


@exercise(
    "wd-3",
    "For the first one the logit is s + t, and its derivative with respect to t is 1.",
    "For the second the logit is s + σ(t). The chain rule multiplies p̂ - y by the derivative of σ(t).",
    "σ'(t) = σ(t) (1 - σ(t)). And p̂ is another one in each case.",
    todo="Complete the function `pulls(s, t, y)`: it returns two tensors of shape (B,).",
    solved="Right. The second factor is at most 1/4 and vanishes where the network is sure: it can hardly take back.",
)
def wd_3(answer):
    if uses(answer, *AUTOGRAD):
        raise Wrong("Autograd is for testing yourself. Write the formula.")

    def both(s, t, y):
        return _by_autograd(s, t, y, False), _by_autograd(s, t, y, True)

    def twice(s, t, y, p=None, factor=True):
        inner = sigmoid(t)
        p = sigmoid(s + inner) if p is None else p
        return (p - y) * (inner * (1 - inner) if factor else 1)

    def joint(s, t, y):
        return sigmoid(s + t) - y

    function(
        answer,
        inputs=_row,
        oracle=both,
        wrong=[
            (
                lambda s, t, y: (joint(s, t, y), twice(s, t, y, factor=False)),
                "The second lacks the chain rule: the logit moves by σ'(t) when t moves by 1.",
            ),
            (
                lambda s, t, y: (joint(s, t, y), twice(s, t, y, p=sigmoid(s + t))),
                "In the second, p̂ is σ(s + σ(t)) too, not σ(s + t).",
            ),
            (
                lambda s, t, y: (joint(s, t, y), (sigmoid(s + sigmoid(t)) - y) * sigmoid(t)),
                "σ'(t) is σ(t) (1 - σ(t)); the second factor is missing.",
            ),
            (
                lambda s, t, y: (joint(s, t, y) / len(y), twice(s, t, y) / len(y)),
                "You divide by the number of rows. The loss of each row is asked about, not their mean.",
            ),
            (
                lambda s, t, y: (-joint(s, t, y), -twice(s, t, y)),
                "Both signs are turned: the derivative is p̂ - y, the step downhill goes the other way.",
            ),
            (
                lambda s, t, y: (twice(s, t, y), joint(s, t, y)),
                "The two are swapped: first the joint logit, then the one with two sigmoids.",
            ),
            (
                lambda s, t, y: (joint(s, t, y).mean(), twice(s, t, y).mean()),
                "You averaged. One number per row is asked for.",
            ),
            (
                lambda s, t, y: (joint(s, t, y) * sigmoid(s + t) * (1 - sigmoid(s + t)), twice(s, t, y)),
                "In the first there is no factor: p̂ - y is the derivative with respect to the logit already.",
            ),
            (
                lambda s, t, y: (sigmoid(t) - y, twice(s, t, y)),
                "In the first, p̂ comes from both parts: σ(s + t).",
            ),
            (
                lambda s, t, y: (joint(s, t, y), twice(s, t, y, factor=False) * _slope(s + sigmoid(t))),
                "Your factor is σ' of the whole logit, which p̂ - y has in it. The inner sigmoid is left: σ'(t).",
            ),
            (
                lambda s, t, y: (-joint(s, t, y), twice(s, t, y)),
                "The second is right. The first has the wrong sign.",
            ),
            (
                lambda s, t, y: (joint(s, t, y), -twice(s, t, y)),
                "The first is right. The sign of the second is turned.",
            ),
            (
                lambda s, t, y: (joint(s, t, y), twice(s, t, y) * _slope(s + sigmoid(t))),
                "Two slopes are one too many: p̂ - y has the outer sigmoid's in it. σ'(t) is all that comes on top.",
            ),
            (
                lambda s, t, y: (joint(s, t, y), twice(s, t, y, factor=False) * _slope(s + t)),
                "The inner sigmoid is taken of t alone, and so is its slope: σ'(t), not σ'(s + t).",
            ),
        ],
        hint="Not the derivatives. For s = t = 0 and y = 1 they are -1/2 and (σ(½) - 1)/4 = -0.094.",
    )


def _layer(g: torch.Generator, d: int) -> tuple:
    return torch.randn(4, generator=g), float(torch.randn((), generator=g)), d


@exercise(
    "wd-4",
    "One number of h is enough to carry the old logit. What should the other d - 1 be?",
    "Row 0 of the matrix is w and number 0 of the bias is b; all other rows are 0.",
    "a reads f with d ones, then h with a 1 for the number that holds the old logit.",
    todo="Complete the function `as_concat(w, b, d)`: it returns a matrix (d, H), a bias (d) and a (2d).",
    solved="Right: no score has changed, and training may go on from here with more freedom.",
)
def wd_4(answer):
    g = torch.Generator().manual_seed(4)
    for d in (3, 5, 4):
        w, b, _ = _layer(g, d)
        out = call(answer, w, b, d)
        if not isinstance(out, (tuple, list)) or len(out) != 3:
            raise Wrong("Return three things: the matrix, the bias, and a.")
        for part, size, letters in zip(out, ((d, 4), (d,), (2 * d,)), ("d, H", "d", "2d"), strict=True):
            shape(part, size, letters)
        matrix, bias, a = (torch.as_tensor(part).detach().float() for part in out)
        _same_scores(matrix, bias, a, w, b, d, g)


def _same_scores(matrix, bias, a, w, b, d, g):
    """a · [f, matrix x + bias] is linear in f and x: compare its three coefficients."""
    on_f, on_h = a[:d], a[d:]
    on_x, free = on_h @ matrix, float(on_h @ bias)
    if not same(on_f, torch.ones(d)):
        if same(on_h, torch.ones(d)) and not same(on_f, on_h):
            raise Wrong("f stands first in [f, h]: its part of a comes first, and adding up f takes ones.")
        raise Wrong("The pair sum is f added up: the first d numbers of a must be ones.")
    if same(on_x, torch.zeros(4)):
        raise Wrong("The network is silent: a reads none of the numbers of h that carry w.")
    if same(on_x, d * w) or (same(on_x, (on_h != 0).sum() * w) and not same(on_x, w)):
        raise Wrong("The old logit is counted several times: h repeats it, and a adds the repetitions up.")
    if not same(on_x, w):
        raise Wrong("The network's part has changed: a's second half times the matrix must give w.")
    if not same(free, b, rtol=1e-3, atol=1e-4):
        raise Wrong("The network's part is right up to a constant: look at the bias, which must add up to b.")
    f, x = torch.randn(d, generator=g), torch.randn(4, generator=g)
    close(a @ torch.cat([f, matrix @ x + bias]), f.sum() + w @ x + b, rtol=1e-3, atol=1e-4)


def _planted() -> tuple:
    """The lesson's rule, exceptions and hidden pairs, from its seed."""
    g = torch.Generator().manual_seed(0)
    for _ in range(2):
        torch.randperm(40, generator=g)
    draw = torch.rand(40, 40, generator=g)
    return draw < 0.10, draw > 0.85


@exercise(
    "wd-5",
    "An exception is a pair where the rest of the model is wrong and the cross puts it right.",
    "You do not know what is right, but you know what the model says in the end: the sum of both tables.",
    "Where does the sum have another sign than `tables['rest']`?",
    todo="Replace the `...` by a (40, 40) tensor of True and False.",
)
def wd_5(answer):
    shape(answer, (40, 40), "audience, theme")
    found = torch.as_tensor(answer)
    if found.dtype != torch.bool and not bool(((found == 0) | (found == 1)).all()):
        raise Wrong(
            "These are numbers. Say True or False for each pair: compare with a threshold, or compare signs."
        )
    found, (exception, hidden) = found.bool(), _planted()
    n, right = int(found.sum()), int((found & exception).sum())
    if n == 0:
        raise Wrong("You found none at all.")
    if int((found & hidden).sum()) > hidden.sum() / 2:
        raise Wrong(
            "You have most of the hidden pairs: a cross weight of 0 says that the pair was never seen."
        )
    rule = ~exception & ~hidden
    if int((found & rule).sum()) > 0.8 * rule.sum() and right < 0.2 * exception.sum():
        raise Wrong("Turned round: you found the rule.")
    if right < n / 2 and right > exception.sum() / 2:
        raise Wrong(
            "The exceptions are among them, and many others: a cross may be strong and still agree with the rest."
        )
    if right < n / 2:
        raise Wrong("Most of these pairs follow the rule. Where does the cross contradict the rest, and win?")
    if right < 0.6 * exception.sum():
        raise Wrong("These are exceptions, but too few of them: your condition is too strict.")
    if right < 0.75 * n:
        raise Wrong(
            "Nearly: some pairs follow the rule. To contradict the rest is not enough; the cross has to win."
        )
    return f"Right: {right} of your {n} pairs are exceptions, out of {int(exception.sum())} that there are."


quiz(
    "wide-and-deep",
    [
        question(
            "What does it mean, in the paper, that the wide part memorises?",
            (
                "It keeps a weight for combinations of features that occur together often",
                True,
                "Yes: exact for these, silent about all others.",
            ),
            ("It stores the latest clicks", False, "The model has no clock: time does not enter it."),
            (
                "It reads static attributes",
                False,
                "Any feature may be crossed; what counts is how often a pair comes.",
            ),
            ("It overfits", False, "An exception with many rows is no noise. A pair with one row may be."),
        ),
        question(
            "A pair of features has never occurred in training. Who can say something about the pair as such?",
            (
                "The deep part",
                True,
                "Yes: its vectors were learned from other pairs. The cross has its weight of 0 still.",
            ),
            ("The wide part", False, "Its weight for this pair was never moved from 0."),
            ("Both", False, "The cross has no row, and so a weight of 0."),
            ("Neither", False, "Vectors are shared: the network applies what it learned from other pairs."),
        ),
        question(
            "DeepFM's network ends in a sigmoid by mistake. What is the lowest probability when the FM part is 0?",
            ("0.5", True, "Yes: the inner sigmoid is at least 0, and σ(0) = 0.5."),
            ("0", False, "That is what the inner sigmoid alone can say; then comes another one."),
            ("0.269", False, "That is σ(-1). The inner sigmoid is never negative."),
            ("0.731", False, "That is the highest: σ(1)."),
        ),
        question(
            "What do both parts of DeepFM share?",
            ("The vectors", True, "Yes: the pair sum and the network read one table."),
            (
                "Nothing: they are trained apart",
                False,
                "One loss trains all, and the table of vectors is one.",
            ),
            (
                "The weights of the crosses",
                False,
                "DeepFM has no weight per cross; FM's come from the vectors.",
            ),
            ("A hidden layer", False, "The FM part has none."),
        ),
        question(
            "Merging by a linear layer on [f, h] instead of adding: what is certain before any training?",
            (
                "It can give every score that adding can give",
                True,
                "Yes: with ones on f, and h holding the old logit.",
            ),
            ("It is better on test rows", False, "More freedom may also fit more noise: measure it."),
            ("It needs fewer weights", False, "It needs more: a, and a last layer with d outputs."),
            ("It needs two sigmoids", False, "There is one, at the end, in both."),
        ),
    ],
)

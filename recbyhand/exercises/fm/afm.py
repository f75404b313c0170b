"""Checks of chapter 3: attention over pairs of features."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F

from recbyhand.data import Field, toy, toy_schema
from recbyhand.exercises.engine import (
    AUTOGRAD,
    Wrong,
    call,
    close,
    edge,
    exercise,
    function,
    one_of_wrong,
    uses,
)
from recbyhand.exercises.quizzes import question, quiz


@exercise(
    "afm-1",
    "Exponentials of the scores: 1, 3 and 2. What do they sum to, and what are the weights?",
    "The weights are 1/6, 3/6 and 2/6. Now p · e of each pair: with p = (1, 1) just add its two numbers.",
    todo="Replace the `...` by one number.",
    solved="Right: 14/6. The unweighted sum would be 8.",
)
def afm_1(answer):
    log3, log2 = math.log(3), math.log(2)
    one_of_wrong(
        answer,
        [
            (8.0, "That is the sum without weights: an FM's. Weigh each pair by its share of the softmax."),
            *(
                (
                    value / 6,
                    "The weights stand at other pairs: the scores 0, ln 3 and ln 2 make 1, 3 and 2.",
                )
                for value in (13, 15, 17, 18, 19)
            ),
            (8 / 3, "That is the mean: equal weights. The scores are not equal."),
            (14.0, "Right weights but for their sum: divide the exponentials by their sum, 6."),
            (
                log3 * 1 + log2 * 4,
                "You weighed by the scores themselves. The weights are their softmax: exponentials first.",
            ),
            (
                (log3 + 4 * log2) / (log3 + log2),
                "You divided the scores by their sum. A softmax takes exponentials first.",
            ),
            (11 / 5, "A score of 0 is not a weight of 0: exp 0 = 1, and the first pair counts, too."),
            (
                float(torch.tensor([1.0, 3, 2]).softmax(0) @ torch.tensor([3.0, 1, 4])),
                "You took exponentials twice: those of 0, ln 3 and ln 2 are 1, 3 and 2, and that is enough.",
            ),
            (1.0, "That is the pair of the largest weight alone. All pairs count, each by its weight."),
            (
                (7 / 6, 7 / 6),
                "That is the pooled vector. Read it with p, which makes one number of it.",
            ),
            (7 / 6, "That is half of it: with p = (1, 1) both coordinates of the weighted sum count."),
        ],
    )
    close(answer, 14 / 6, rtol=2e-3, hint="Not yet. Write three columns: exp s, weight, p · e.")


def _net(g: torch.Generator) -> tuple:
    B, P, d, t = 3, 6, 4, 5
    return tuple(torch.randn(*size, generator=g) for size in ((B, P, d), (t, d), (t,), (t,)))


def _weights(e, W, b, h):
    """By the definition, row by row and pair by pair."""
    out = torch.zeros(e.shape[:2])
    for row, pairs in enumerate(e):
        scores = [sum(h[k] * max(float(W[k] @ x + b[k]), 0.0) for k in range(len(h))) for x in pairs]
        total = sum(math.exp(float(s)) for s in scores)
        for pair, s in enumerate(scores):
            out[row, pair] = math.exp(float(s)) / total
    return out


def _scores(e, W, b, h, bend=torch.relu):
    return bend(e @ W.T + b) @ h


@exercise(
    "afm-2",
    "First the scores, (B, P). `e @ W.T` applies W to the last axis of e, for all rows and pairs at once.",
    "torch.relu(e @ W.T + b) is (B, P, t); a product with h makes the scores. Over which axis do weights sum to 1?",
    todo="Complete the function `weights(e, W, b, h)`: it returns a tensor of shape (B, P).",
)
def afm_2(answer):
    function(
        answer,
        inputs=_net,
        oracle=_weights,
        wrong=[
            (
                lambda *x: _scores(*x).softmax(0),
                "Your softmax runs over the batch: a row's weights would depend on other people's rows.",
            ),
            (lambda *x: _scores(*x), "These are the scores. Make weights of them: a softmax over the pairs."),
            (
                lambda e, W, b, h: _scores(e, W, b, h, bend=lambda x: x).softmax(1),
                "The ReLU is missing: without it the network is one linear map.",
            ),
            (
                lambda e, W, b, h: _scores(e, W, 0 * b, h).softmax(1),
                "The bias b is missing, or stands behind the ReLU, where the softmax cancels it.",
            ),
            (
                lambda *x: torch.ones(x[0].shape[0], 1),
                "All ones: you attend after pooling, over an axis of size 1. That is the bug of the lesson.",
            ),
            (
                lambda *x: _scores(*x)[..., None].softmax(-1)[..., 0],
                "All ones: your softmax runs over an axis of size 1. Let it run over the pairs.",
            ),
            (
                lambda e, W, b, h: torch.relu(_scores(e, W, b, h, bend=lambda x: x)).softmax(1),
                "The ReLU stands before h, on the t numbers of the layer, not on the score.",
            ),
            (
                lambda e, W, b, h: torch.relu(e @ W.T + b).mean(-1).softmax(1),
                "You average the t numbers of the layer. Their product with h is the score.",
            ),
            (
                lambda e, W, b, h: (_scores(e, W, b, h) / len(h) ** 0.5).softmax(1),
                "Nothing is divided by a root here: the scores go into the softmax as they are.",
            ),
            (
                lambda e, W, b, h: _scores(e, W, b, h, bend=torch.tanh).softmax(1),
                "You bend with tanh. The formula has a ReLU.",
            ),
            (
                lambda e, W, b, h: torch.relu((e @ W.T + b) * h).sum(-1).softmax(1),
                "h stands inside your ReLU, where it can turn signs. It multiplies what comes out of the ReLU.",
            ),
            (
                lambda *x: _scores(*x).sigmoid(),
                "A sigmoid weighs each pair by itself. The softmax makes the pairs of a row compete.",
            ),
            (
                lambda *x: _scores(*x).exp() / _scores(*x).exp().sum(),
                "Your weights sum to 1 over the whole batch. Divide each row by a sum of its own.",
            ),
            (
                lambda *x: _scores(*x).exp(),
                "Exponentials, and not yet weights: divide by their sum in each row.",
            ),
            (
                lambda e, W, b, h: torch.relu(e @ W.T + b).softmax(-1) @ h,
                "Your softmax runs over the t numbers of the layer. First let h make one score of them.",
            ),
            (
                lambda *x: _scores(*x) / _scores(*x).sum(1, keepdim=True),
                "You divide the scores by their sum. A score may be negative, a weight not: exponentials first.",
            ),
            (
                lambda e, W, b, h: torch.relu(e @ W.T + b).sum(-1).softmax(1),
                "You add the t numbers of the layer up. A product with h makes the score: h is missing.",
            ),
            (
                lambda e, W, b, h: ((torch.relu(e) @ W.T + b) @ h).softmax(1),
                "You bend e itself. The ReLU comes after the layer: ReLU(W e + b).",
            ),
            (
                lambda *x: (_scores(*x).softmax(1)[..., None] * x[0]).sum(1),
                "You went on and pooled. The weights alone are asked for.",
            ),
        ],
        hint="Not the weights. Print shapes: e @ W.T + b is (B, P, t), with ReLU and h (B, P), and a row sums to 1.",
        rtol=1e-3,
    )
    e, W, b, h = _net(torch.Generator().manual_seed(0))
    edge(
        answer,
        (e, W, b, 200 * h),
        lambda e, W, b, h: _scores(e, W, b, h).softmax(1),
        "Scores of some hundreds make infinity of `exp`. Take `softmax`, or the largest score off first.",
    )


def _row(g: torch.Generator) -> tuple:
    return torch.randn(6, generator=g), torch.randn(6, generator=g)


def _by_autograd(s, c):
    s = torch.as_tensor(s).detach().double().requires_grad_()
    (s.softmax(0) * torch.as_tensor(c).double()).sum().backward()
    return s.grad


@exercise(
    "afm-3",
    "What is the derivative of one weight by one score, ∂aₖ/∂sᵢ? Treat i = k and i ≠ k apart.",
    "∂aₖ/∂sᵢ = aₖ ([i = k] - aᵢ). Multiply by cₖ and sum over k.",
    "The sum is aᵢ (cᵢ - m), where m is the weighted mean of all c.",
    todo="Complete the function `score_gradient(s, c)`: it returns a tensor of shape (P,).",
    solved="Right. A score rises if its pair adds more than the average does. One pair alone is the average: zero.",
)
def afm_3(answer):
    if uses(answer, *AUTOGRAD):
        raise Wrong("Autograd is for testing yourself. Write the formula.")
    function(
        answer,
        inputs=_row,
        oracle=_by_autograd,
        wrong=[
            (
                lambda s, c: c,
                "That is the gradient with respect to the weights. Go one step on, to the scores.",
            ),
            (
                lambda s, c: s.softmax(0) * c,
                "You moved one exponential and left the denominator where it was. It grows, too.",
            ),
            (
                lambda s, c: s.exp() * (c - (s.exp() * c).sum()),
                "Your weights are exponentials, and do not sum to 1: divide by their sum, a softmax.",
            ),
            (
                lambda s, c: s.softmax(0) * (1 - s.softmax(0)) * c,
                "A score also changes the weights of all *other* pairs: the terms with i ≠ k are missing.",
            ),
            (
                lambda s, c: s.softmax(0) * (c - c.mean()),
                "Nearly: the mean of c is a weighted one, with the weights a.",
            ),
            (
                lambda s, c: c - (s.softmax(0) * c).sum(),
                "The factor aᵢ in front is missing: a pair without weight is hard to move.",
            ),
            (
                lambda s, c: s.softmax(0) * ((s.softmax(0) * c).sum() - c),
                "The sign is wrong: a pair that adds more than the average should gain.",
            ),
            (
                lambda s, c: s.softmax(0) * (c - c.sum()),
                "Take the weighted mean of c away, not the plain sum.",
            ),
            (
                lambda s, c: s.softmax(0) * (1 - s.softmax(0)),
                "That is how a weight follows its own score. The logit follows all the weights, each times its c.",
            ),
            (
                lambda s, c: torch.diag(s.softmax(0)) - torch.outer(s.softmax(0), s.softmax(0)),
                "That is how each weight follows each score, (P, P). Now multiply by c and sum over the weights.",
            ),
            (
                lambda s, c: s.softmax(0) * c - (s.softmax(0) * c).sum(),
                "The factor aᵢ belongs to both: aᵢ (cᵢ - mean), not aᵢ cᵢ - mean.",
            ),
            (
                lambda s, c: c - c.mean(),
                "Weights are missing twice: the mean of c is weighted by them, and aᵢ stands before it all.",
            ),
        ],
        hint="Not the gradient. Try two pairs with equal scores and c = (1, 0): it is (1/4, -1/4).",
        rtol=1e-3,
        atol=1e-5,
    )
    one = call(answer, torch.tensor([0.7]), torch.tensor([2.0]))
    if not bool(torch.as_tensor(one).abs().max() < 1e-6):
        raise Wrong("With a single pair the weight is 1 whatever its score: the gradient must be 0 there.")


class _Net(nn.Module):
    """A model of which some parameters are dead: some unused (gradient None), some multiplied by zero."""

    def __init__(self, dead: str):
        super().__init__()
        self.first, self.second = nn.Linear(3, 4), nn.Linear(4, 1)
        self.score, self.unused = nn.Linear(4, 1), nn.Parameter(torch.ones(2))
        self.frozen = nn.Parameter(torch.ones(1), requires_grad=False)
        self.part = nn.Parameter(torch.ones(3))
        self.balance = nn.Parameter(torch.zeros(2))
        self.dead = dead

    def forward(self, batch):
        x = batch.user_features.float() / 5  # (B, 3)
        x = x * torch.stack(
            [self.part[0], self.part[1], torch.ones(())]
        )  # only two of three entries are used
        x = x + self.balance[0] - self.balance[1]  # two gradients that cancel, and are not zero
        hidden = torch.tanh(self.first(x))  # (B, 4)
        if "softmax" in self.dead:
            hidden = hidden * self.score(hidden).softmax(1)  # (B, 4), a factor 1
        elif "zero" in self.dead:
            hidden = hidden + 0 * self.score(hidden)
        else:
            hidden = hidden * self.score(hidden)
        return self.second(hidden).squeeze(-1)  # (B,)


class _Even(nn.Module):
    """`level` is dead on balanced labels, for this loss alone; `tiny` is alive, if barely."""

    def __init__(self):
        super().__init__()
        self.slope, self.level = nn.Parameter(torch.zeros(3)), nn.Parameter(torch.zeros(1))
        self.tiny = nn.Parameter(torch.zeros(1))

    def forward(self, batch):
        x = batch.user_features.float()  # (B, 3)
        return x @ self.slope + self.level + 1e-9 * x[:, 0] * self.tiny  # (B,)


def _models(g: torch.Generator) -> list[tuple]:
    fields = [Field(name, 9) for name in ("a", "b", "c")]
    schema = toy_schema(user_fields=fields, user_table=torch.randint(2, 9, (8, 3), generator=g))
    label = (torch.rand(8, generator=g) < 0.5).float()
    batch = toy(8, schema, user=range(8), label=label)
    even = toy(8, schema, user=range(8), label=[1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0])
    return [*((_Net(kind), batch) for kind in ("softmax", "zero", "alive")), (_Even(), even)]


def _gradients(model, batch):
    model.zero_grad()
    F.binary_cross_entropy_with_logits(model(batch), batch.label).backward()
    return {name: value.grad for name, value in model.named_parameters()}


def _dead(model, batch, none=True, zero=True, entries=torch.Tensor.any, order=sorted):
    return order(
        name
        for name, grad in _gradients(model, batch).items()
        if (none if grad is None else zero and not bool(entries(grad != 0)))
    )


@exercise(
    "afm-4",
    "Compute the loss, call `backward()`, and go through `model.named_parameters()`. Where is the gradient?",
    "A parameter that `forward` never touches has `grad` None; one that is multiplied by zero has a grad of zeros.",
    "`value.grad is None or not value.grad.any()`, and `sorted(...)` around it.",
    todo="Complete the function `dead(model, batch)`: it returns a sorted list of names.",
    solved="Right. Run it on any model you did not write yourself, before you believe its attention.",
)
def afm_4(answer):
    g = torch.Generator().manual_seed(4)

    def slip(**how):
        return lambda model, batch: _dead(model, batch, **how)

    def listed(model, batch):
        try:
            out = call(answer, model, batch)
        except (AttributeError, TypeError) as error:
            if "NoneType" in str(error) or "'bool' object" in str(error):
                raise Wrong(
                    "A parameter that `forward` never uses has `grad` None, and None has no numbers to look at: ask "
                    "`value.grad is None` first."
                ) from None
            raise
        names = isinstance(out, set | tuple) and all(isinstance(n, str) for n in out)
        return sorted(out) if names else out

    def by(loss):
        def names(model, batch):
            model.zero_grad()
            loss(model(batch), batch.label).backward()
            grads = [(n, value.grad) for n, value in model.named_parameters()]
            return sorted(n for n, grad in grads if grad is None or not bool(grad.any()))

        return names

    def below(limit):
        return lambda model, batch: sorted(
            n
            for n, grad in _gradients(model, batch).items()
            if grad is None or bool(grad.abs().max() < limit)
        )

    small = "A small gradient moves weights, too, and Adam makes a large step of it: ask whether it is 0."
    loss = "Another loss has other gradients: the binary cross-entropy of all rows with `batch.label`."

    function(
        listed if callable(answer) else answer,
        inputs=_models(g),
        oracle=_dead,
        wrong=[
            (
                slip(zero=False),
                "You name those whose gradient is None. A tensor of zeros moves nothing, either.",
            ),
            (
                lambda model, batch: sorted(n for n, _ in model.named_parameters()),
                "You name them all: as long as nobody has called `backward()` on the loss, each gradient is None.",
            ),
            (
                slip(none=False),
                "You name those with zeros. A parameter that `forward` never uses has None: name it, too.",
            ),
            (
                slip(entries=torch.Tensor.all),
                "You name a parameter if *some* entry has no gradient. It is dead if *every* entry has none.",
            ),
            (
                lambda model, batch: sorted(set(_gradients(model, batch)) - set(_dead(model, batch))),
                "These are the living ones. Name the others.",
            ),
            (
                lambda model, batch: sorted(n for n, v in model.named_parameters() if not v.requires_grad),
                "Frozen parameters are dead, but not only they. Look at the gradient, not at requires_grad.",
            ),
            (
                lambda model, batch: len(_dead(model, batch)),
                "That is how many there are. Give their names.",
            ),
            (
                lambda model, batch: sorted(
                    n for n, grad in _gradients(model, batch).items() if grad is None or grad.sum() == 0
                ),
                "Gradients that cancel add up to 0 as well, and still move the weights: look at each entry.",
            ),
            (
                lambda model, batch: sorted(n.split(".")[0] for n in _dead(model, batch)),
                "You name the layers. A layer has several parameters: give whole names, as in `score.bias`.",
            ),
            (
                lambda model, batch: sorted({n.split(".")[0] for n in _dead(model, batch)}),
                "You name the layers. A layer has several parameters: give whole names, as in `score.bias`.",
            ),
            (
                slip(order=list),
                "The right names, in the order of the model. Sort them.",
            ),
            (below(1e-3), small),
            (below(1e-6), small),
            (below(1e-8), small),
            (by(lambda z, y: z.sum()), loss),
            (by(lambda z, y: z.mean()), loss),
            (by(lambda z, y: (z - y).square().mean()), loss),
            (by(lambda z, y: F.binary_cross_entropy_with_logits(z, torch.ones_like(z))), loss),
            (by(lambda z, y: F.binary_cross_entropy_with_logits(z[0], y[0])), loss),
            (
                lambda model, batch: ", ".join(_dead(model, batch)),
                "One string: a list of strings is asked for.",
            ),
        ],
        hint="Not these. Dead is a gradient that is None, or zero in every entry: a small one moves weights, too.",
    )
    used, batch = _models(g)[1]
    expected = _dead(used, batch)
    used.score.weight.grad = torch.ones_like(
        used.score.weight
    )  # as after a step of training with another batch
    if sorted(answer(used, batch)) != expected:
        raise Wrong("An old gradient hides a dead parameter: call `model.zero_grad()` before the loss.")


def _terms(g: torch.Generator) -> tuple:
    a = torch.randn(7, 6, generator=g).softmax(1)
    return a, torch.randn(7, 6, 3, generator=g), torch.randn(3, generator=g)


def _share(a, e, p):
    """Pair by pair."""
    columns = [[float(a[n, k] * (e[n, k] @ p)) for n in range(len(a))] for k in range(a.shape[1])]
    spread = torch.tensor([torch.tensor(column, dtype=torch.float64).std().item() for column in columns])
    return spread / spread.sum()


def _ratio(x):
    return x / x.sum()


@exercise(
    "afm-5",
    "The terms first: `a * (e @ p)` is (B, P). Over which axis do they vary from row to row?",
    "`.std(0)` gives one number per pair. Divide by their sum.",
    todo="Complete the function `share(a, e, p)`: it returns a tensor of shape (P,).",
    solved="Right. Now read the two lines above: which readout follows importance better, and on which data?",
)
def afm_5(answer):
    function(
        answer,
        inputs=_terms,
        oracle=_share,
        wrong=[
            (
                lambda a, e, p: _ratio((a * (e @ p)).var(0)),
                "That is the variance. The standard deviation is its root, in the units of the logit.",
            ),
            (
                lambda a, e, p: (a * (e @ p)).std(0),
                "Right so far. Divide by the sum over all pairs: a share.",
            ),
            (lambda a, e, p: 100 * _share(a, e, p), "Yours are in per cent. A share of all is 1."),
            (
                lambda a, e, p: _ratio((e @ p).std(0)),
                "The weights are missing: the term of a pair is a · (p · e).",
            ),
            (lambda a, e, p: _ratio(a.std(0)), "That is how the weights vary. The term is a · (p · e)."),
            (lambda a, e, p: a.mean(0), "That is the mean weight, the readout you are to improve on."),
            (
                lambda a, e, p: _ratio((a * (e @ p)).abs().mean(0)),
                "A term that is large and the same in every row orders nothing: its spread counts, not its size.",
            ),
            (
                lambda a, e, p: (t := (a * (e @ p)).abs()).div(t.sum(1, keepdim=True)).mean(0),
                "You took a share in each row. First the spread of each pair over the rows, then the share.",
            ),
            (
                lambda a, e, p: _ratio((a * (e @ p)).std(1)),
                "You measured the spread over the pairs of a row. Each pair varies over the rows: axis 0.",
            ),
            (
                lambda a, e, p: _ratio(a.mean(0) * (e @ p).std(0)),
                "Weights differ from row to row: multiply in each row first, then take the spread.",
            ),
            (
                lambda a, e, p: (a * (e @ p)).std(0).softmax(0),
                "A softmax bends the proportions. A share is the number divided by the sum.",
            ),
            (
                lambda a, e, p: _ratio((a * (e @ p)).mean(0)),
                "That is the mean term. One that never changes orders nothing: take its standard deviation.",
            ),
            (
                lambda a, e, p: _ratio((a * e.sum(-1)).std(0)),
                "You add the numbers of e up. The term reads them with p: `e @ p`.",
            ),
            (
                lambda a, e, p: (a * (e @ p)).std(0) / (a * (e @ p)).sum(1).std(),
                "You divide by the spread of the pairs' sum. A share is taken of the sum of the spreads.",
            ),
        ],
        hint="Not the shares. Two rows with the terms (1, 5) and (3, 5) should give (1, 0): the second never varies.",
        rtol=1e-3,
    )


quiz(
    "afm",
    [
        question(
            "What does the Hadamard product of two vectors keep that their dot product does not?",
            ("In which dimensions they agree", True, "Yes: it is a vector still, which a network can read."),
            ("Which of the two came first", False, "Both products are symmetric."),
            ("Their lengths", False, "Neither product tells the two lengths apart."),
            (
                "Nothing: it is the dot product, unsummed, and equal in use",
                False,
                "Summing is what loses the dimensions.",
            ),
        ),
        question(
            "A colleague attends on the FM-pooled vector and takes a softmax over an axis of size 1. What shows it?",
            (
                "The gradient of the attention's parameters is exactly zero",
                True,
                "Yes: a softmax of one number is 1, whatever the number.",
            ),
            ("The loss does not fall", False, "It falls: what is left is a proper FM."),
            ("The AUC is one half", False, "It is that of an FM."),
            ("An error about shapes", False, "All shapes fit."),
        ),
        question(
            "In a world where no pair matters, the weights of a trained AFM",
            ("still sum to 1 in every row", True, 'Yes: a softmax cannot say "none". Importance can.'),
            ("are all zero", False, "A softmax is never zero for a pair that is present."),
            ("sum to less than 1", False, "They are normalised, whatever the data say."),
            ("are undefined", False, "They are computed as always, and mean nothing."),
        ),
        question(
            "A pair has the largest weight in a row. What follows for that row's logit?",
            (
                "Nothing yet: its vector may stand at a right angle to p",
                True,
                "Yes: the term is the weight times p · e. In the toy it was zero.",
            ),
            ("The pair adds the most to it", False, "Only if p · e is large, too."),
            ("The pair raises it", False, "The sign comes from p · e; weights are never negative."),
            ("It would change most if the pair were left out", False, "That depends on p · e as well."),
        ),
        question(
            "Why can AFM not use the fast identity of FM?",
            (
                "Each pair has a factor of its own, so the double sum does not factor",
                True,
                "Yes: what is summed first cannot be weighed afterwards.",
            ),
            ("The identity holds for d = 1 only", False, "It holds coordinate by coordinate."),
            ("The identity is inexact", False, "It is exact, up to rounding."),
            ("Softmax needs the squares", False, "It needs one score for every pair."),
        ),
    ],
)

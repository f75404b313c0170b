"""Checks of chapter 4: from ReLU to Dice."""

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
    one_of_wrong,
    uses,
)
from recbyhand.exercises.quizzes import question, quiz

# From ReLU to Dice -------------------------------------------------------------------------------------


def _two(z: float, alpha: float = 0.5, swapped: bool = False) -> list[float]:
    """Dice of -2 and 4 whose standardised values are -z and z."""
    p = torch.sigmoid(torch.tensor([-z, z], dtype=torch.float64))
    p = 1 - p if swapped else p
    s = torch.tensor([-2.0, 4.0], dtype=torch.float64)
    return (p * s + (1 - p) * alpha * s).tolist()


def _unscaled() -> list[float]:
    s = torch.tensor([-2.0, 4.0], dtype=torch.float64)
    p = torch.sigmoid(s)
    return (p * s + (1 - p) * 0.5 * s).tolist()


def _off_centre() -> list[float]:
    s = torch.tensor([-2.0, 4.0], dtype=torch.float64)
    p = torch.sigmoid(s / 3)
    return (p * s + (1 - p) * 0.5 * s).tolist()


@exercise(
    "dice-1",
    "The mean is 1. What is the variance, and how many standard deviations is each value away?",
    "The standardised values are -1 and 1, so the gates are 0.269 and 0.731.",
    "For 4: 0.731 · 4 + 0.269 · 0.5 · 4.",
    todo="Replace the `...` by two numbers, Dice of -2 and Dice of 4.",
    solved="Right. Both channels of the gate are always a little open.",
)
def dice_1(answer):
    one_of_wrong(
        answer,
        [
            ([-1.0, 4.0], "That is PReLU, with a gate that snaps. Dice's gate is a sigmoid."),
            (_two(1, alpha=0.0), "The second channel, (1 - p) α s, is missing."),
            (_two(1, swapped=True), "The gates are swapped: p multiplies s, and 1 - p multiplies α s."),
            (_two(1 / 3), "You divided by the variance. Divide by its root, the standard deviation."),
            (_unscaled(), "You took σ of s itself. Standardise first: less the mean, by the spread."),
            (_two((27 / 4 / 9) ** 0.5), "You used n - 1 in the variance; within a batch it is n."),
            (_two(1, alpha=0.25), "α is 0.5 here; 0.25 is where training starts."),
            (_off_centre(), "You divided by the spread, but did not take the mean away first."),
            ([0.269, 0.731], "These are the gates. Put them into the formula."),
            (
                [-0.269 - 0.731 * 0.5, 0.731 + 0.269 * 0.5],
                "Only the gate looks at the standardised value. What passes is s itself: -2 and 4.",
            ),
            (
                [-0.731 - 2 * 0.269, 0.731 * 0.5 * 4 + 0.269 * 4],
                "For 4 you put α on the open side. α always goes with 1 - p.",
            ),
            (_two(1)[::-1], "The right numbers in the other order: first Dice of -2."),
        ],
        rtol=2e-3,
    )
    close(
        answer, _two(1), rtol=2e-3, hint="Not yet. Write mean, variance, standardised values and gates down."
    )


def _parts(g: torch.Generator) -> tuple:
    C = 3
    alpha, mean = torch.rand(C, generator=g) - 0.3, torch.randn(C, generator=g)
    return 2 * torch.randn(5, C, generator=g), alpha, mean, torch.rand(C, generator=g) + 0.2, 0.3


def _dice(
    gate=lambda s, mean, var, eps: (s - mean) / (var + eps).sqrt(),
    shut=lambda s, a: a * s,
    turned=False,
    squash=torch.sigmoid,
):
    def dice(s, alpha, mean, var, eps):
        p = squash(gate(s, mean, var, eps))
        p = 1 - p if turned else p
        return p * s + (1 - p) * shut(s, alpha)

    return dice


def _dice_by_number(s, alpha, mean, var, eps):
    """The definition, number by number."""
    out = torch.empty_like(s, dtype=torch.float64)
    for b in range(s.shape[0]):
        for c in range(s.shape[1]):
            x = float(s[b, c])
            t = (x - float(mean[c])) / (float(var[c]) + eps) ** 0.5
            p = 1 / (1 + 2.718281828459045**-t)
            out[b, c] = x if p == 1 else p * x + (1 - p) * float(alpha[c]) * x
    return out


@exercise(
    "dice-2",
    "First the gate p, from mean, var and eps; then the two channels.",
    "`torch.sigmoid((s - mean) / torch.sqrt(var + eps))` is the gate.",
    todo="Complete the function `dice_eval(s, alpha, mean, var, eps)`: it returns a tensor of shape (B, C).",
)
def dice_2(answer):
    function(
        answer,
        inputs=_parts,
        oracle=_dice_by_number,
        wrong=[
            (_dice(gate=lambda s, m, v, e: s), "Your gate ignores the statistics: it is σ(s)."),
            (
                _dice(gate=lambda s, m, v, e: s - m),
                "Your gate is not scaled: divide by the standard deviation.",
            ),
            (_dice(gate=lambda s, m, v, e: (s + m) / (v + e).sqrt()), "The mean is taken away, not added."),
            (_dice(gate=lambda s, m, v, e: (s - m) / (v + 2 * e).sqrt()), "eps is in there twice."),
            (_dice(gate=lambda s, m, v, e: s / (v + e).sqrt()), "Take the mean away first."),
            (_dice(gate=lambda s, m, v, e: (s - m) / (v + e)), "Divide by the root of var + eps."),
            (
                _dice(gate=lambda s, m, v, e: (s - m) / (v.sqrt() + e)),
                "eps stands under the root, beside the variance.",
            ),
            (_dice(gate=lambda s, m, v, e: (s - m) / v.sqrt()), "eps is missing."),
            (_dice(shut=lambda s, a: 0 * s), "The channel below, (1 - p) α s, is missing."),
            (_dice(shut=lambda s, a: a), "Below, it is α times s, not α alone."),
            (_dice(shut=lambda s, a: -a * s), "The two channels are added; you took one away."),
            (
                lambda s, a, m, v, e: _dice(shut=lambda s, a: 0 * s)(s, a, m, v, e) + a * s,
                "Below stands a gate as well, 1 - p: what passes above is taken away there.",
            ),
            (
                lambda s, a, m, v, e: _dice()(s, a, m, v, e) / s,
                "That is the factor p + (1 - p) α. It multiplies s.",
            ),
            (_dice(squash=torch.tanh), "The gate is a sigmoid, between 0 and 1. tanh goes below 0."),
            (_dice(turned=True), "The gate is the wrong way round: p multiplies s itself."),
            (
                lambda s, a, m, v, e: torch.where(s > 0, s, a * s),
                "That is PReLU: its gate snaps at 0, Dice's does neither.",
            ),
            (
                lambda s, a, m, v, e: torch.where(s > m, s, a * s),
                "Your gate stands at the right place, but it snaps. Dice's is a sigmoid.",
            ),
            (
                lambda s, a, m, v, e: _dice()(s, a, s.mean(0), s.var(0, unbiased=False), e),
                "You took mean and variance of this batch. In evaluation those given are used.",
            ),
            (
                lambda s, a, m, v, e: _dice()((s - m) / (v + e).sqrt(), a, 0 * m, 0 * v + 1, 0),
                "Only the gate looks at the standardised value. What passes is s itself.",
            ),
            (
                lambda s, a, m, v, e: torch.sigmoid((s - m) / (v + e).sqrt()),
                "That is the gate. The two channels are still to come.",
            ),
        ],
        rtol=1e-3,
        atol=1e-5,
    )


def _slope_inputs(g: torch.Generator) -> tuple:
    return (
        2 * torch.randn(6, generator=g),
        torch.rand(6, generator=g) - 0.3,
        torch.randn(6, generator=g),
        torch.rand(6, generator=g) + 0.3,
    )


def _slope(s, alpha, mean, var):
    """By autograd."""
    s = s.detach().double().requires_grad_()
    p = torch.sigmoid((s - mean) / var.sqrt())
    return torch.autograd.grad((p * s + (1 - p) * alpha * s).sum(), s)[0]


def _slope_slip(first=1, gain=True, s_too=True, spread=lambda v: v.sqrt(), bell=lambda p: p * (1 - p)):
    def slip(s, alpha, mean, var):
        p = torch.sigmoid((s - mean) / var.sqrt())
        rest = (s if s_too else 1) * ((1 - alpha) if gain else 1) * bell(p) / spread(var)
        return first * (alpha + (1 - alpha) * p) + rest

    return slip


@exercise(
    "dice-3",
    "Write f as a product: s times (α + (1 - α) p).",
    "df/ds = (α + (1 - α) p) + s (1 - α) dp/ds.",
    "dp/ds = p (1 - p) / √var: the inner derivative of the standardisation is 1/√var.",
    todo="Complete the function `dice_slope(s, alpha, mean, var)`: it returns a tensor of the shape of s.",
    solved="Right. Where the gate turns, the slope may exceed 1.",
)
def dice_3(answer):
    if uses(answer, *AUTOGRAD):
        raise Wrong("Use autograd to test yourself. The answer is a formula: the product rule.")

    function(
        answer,
        inputs=_slope_inputs,
        oracle=_slope,
        wrong=[
            (
                _slope_slip(bell=lambda p: 0 * p),
                "That holds the gate fixed. p depends on s, too: product rule.",
            ),
            (_slope_slip(first=0), "The other half of the product rule is missing: the gate itself."),
            (_slope_slip(spread=torch.ones_like), "The chain rule: p's argument has the slope 1/√var."),
            (
                _slope_slip(spread=lambda v: 1 / v.sqrt()),
                "You multiply by √var. The inner derivative is 1/√var.",
            ),
            (_slope_slip(bell=lambda p: p * p), "σ' is σ (1 - σ), not σ²."),
            (_slope_slip(spread=lambda v: v), "The inner derivative is 1/√var, not 1/var."),
            (
                _slope_slip(gain=False),
                "The change of p moves weight from α s to s: a factor 1 - α is missing.",
            ),
            (_slope_slip(s_too=False), "The factor s in front of dp/ds is missing."),
            (_slope_slip(bell=lambda p: p), "σ' is σ (1 - σ)."),
            (_slope_slip(bell=lambda p: 1 - p), "σ' is σ (1 - σ): the factor σ is missing."),
            (
                lambda s, a, m, v: (
                    _slope_slip(first=0)(s, a, m, v) + 1 - (1 - a) * torch.sigmoid((s - m) / v.sqrt())
                ),
                "The first half is the gate itself: p passes whole, 1 - p goes with α. You have them swapped.",
            ),
            (
                lambda s, a, m, v: _slope(s, a, m, v) + 2 * a / (1 - a) * _slope_slip(first=0)(s, a, m, v),
                "1 - α, not 1 + α: d(α (1 - p)) is -α dp.",
            ),
            (lambda s, a, m, v: torch.where(s > 0, 1.0, a), "That is the slope of PReLU."),
            (
                lambda s, a, m, v: _slope(s, a, m, v) - m * _slope_slip(first=0, s_too=False)(s, a, m, v),
                "In front of dp/ds stands s itself, not s less the mean.",
            ),
            (
                lambda s, a, m, v: 2 * _slope_slip(bell=lambda p: 0 * p)(s, a, m, v) - _slope(s, a, m, v),
                "The sign of the second part: a larger s opens the gate, so dp/ds comes with plus.",
            ),
            (
                lambda s, a, m, v: s * _slope_slip(bell=lambda p: 0 * p)(s, a, m, v),
                "That is Dice itself. Its slope is asked for.",
            ),
        ],
        rtol=1e-3,
        atol=1e-5,
    )
    edge(
        answer,
        (torch.tensor([1e-4]), torch.tensor([0.2]), torch.zeros(1), torch.tensor([1e-8])),
        _slope,
        "Where the spread is small, a difference of two near values is too coarse. Derive the formula.",
    )
    try:
        with torch.no_grad():
            call(answer, *_slope_inputs(torch.Generator().manual_seed(0)))
    except RuntimeError:
        raise Wrong("Use autograd to test yourself. The answer is a formula: the product rule.") from None


def _batches(g: torch.Generator) -> tuple:
    sizes = (4, 7, 5)
    return ([3 * torch.randn(n, generator=g) + 2 for n in sizes], 0.1)


def _averages(batches, momentum=0.1):
    """As a sum: a batch k steps back counts momentum (1 - momentum)^k."""
    n = len(batches)
    share = [momentum * (1 - momentum) ** (n - 1 - i) for i in range(n)]
    mean = sum(w * float(b.double().sum()) / len(b) for w, b in zip(share, batches, strict=True))
    centred = [float(((b.double() - b.double().mean()) ** 2).sum()) / (len(b) - 1) for b in batches]
    return [mean, (1 - momentum) ** n + sum(w * v for w, v in zip(share, centred, strict=True))]


def _walk(var=lambda b: b.var(), start=(0.0, 1.0), turned=False):
    def walk(batches, momentum=0.1):
        m = 1 - momentum if turned else momentum
        mean, variance = start
        for b in batches:
            mean, variance = mean + m * (b.mean() - mean), variance + m * (var(b) - variance)
        return mean, variance

    return walk


def _plain_average(batches, momentum=0.1):
    return sum(b.mean() for b in batches) / len(batches), sum(b.var() for b in batches) / len(batches)


def _pooled(batches, momentum=0.1):
    rows = torch.cat(list(batches))
    return rows.mean(), rows.var()


def _last(batches, momentum=0.1):
    return batches[-1].mean(), batches[-1].var()


def _piled_up(batches, momentum=0.1):
    return sum(momentum * b.mean() for b in batches), 1 + sum(momentum * b.var() for b in batches)


def _from_the_first(batches, momentum=0.1):
    return _walk(start=(batches[0].mean(), batches[0].var()))(batches[1:], momentum)


def _around_the_running_mean(batches, momentum=0.1):
    mean, var = 0.0, 1.0
    for b in batches:
        mean = mean + momentum * (b.mean() - mean)
        var = var + momentum * (((b - mean) ** 2).sum() / (len(b) - 1) - var)
    return mean, var


def _forgetful(batches, momentum=0.1):
    return _walk()(batches[-1:], momentum)


@exercise(
    "dice-4",
    "new = old + momentum · (batch - old), for both, batch after batch.",
    "`batch.var(unbiased=True)` divides by n - 1.",
    todo="Complete the function `running(batches, momentum=0.1)`: it returns a mean and a variance.",
    solved="Right. After k batches the start still counts 0.9 to the power of k.",
)
def dice_4(answer):
    function(
        answer,
        inputs=_batches,
        oracle=_averages,
        wrong=[
            (
                _walk(var=lambda b: b.var(unbiased=False)),
                "The variance is the batch's with n; n - 1 is asked for.",
            ),
            (_walk(turned=True), "You go nine tenths of the way. The old value keeps nine tenths."),
            (_walk(start=(0.0, 0.0)), "The variance starts at 1, not at 0."),
            (_walk(start=(1.0, 0.0)), "The mean starts at 0 and the variance at 1: you have them exchanged."),
            (
                lambda batches, momentum=0.1: (
                    _walk()(batches, momentum)[0],
                    _walk()(batches, momentum)[1] ** 0.5,
                ),
                "That is a root of the variance. The variance itself is asked for.",
            ),
            (
                lambda batches, momentum=0.1: (_walk()(batches, momentum)[0], batches[-1].var()),
                "The variance runs, too: yours is that of the last batch.",
            ),
            (_walk(var=lambda b: b.std()), "That averages standard deviations. Average variances."),
            (_around_the_running_mean, "The batch's own variance is taken around the batch's own mean."),
            (
                _forgetful,
                "Only the last batch is left in yours: go on from the value that the one before left.",
            ),
            (_plain_average, "That is the plain average over batches. A running one forgets, step by step."),
            (_pooled, "You pooled all rows. A layer sees one batch at a time, and forgets."),
            (_last, "That is the last batch alone."),
            (_piled_up, "You add a tenth of each batch, but never take a tenth of the old value away."),
            (_from_the_first, "They start at 0 and 1, not at the first batch's own values."),
            (
                lambda batches, momentum=0.1: _walk()(batches[::-1], momentum),
                "You went through the batches backwards: the last counts most.",
            ),
            (
                lambda batches, momentum=0.1: _walk()(batches, momentum)[::-1],
                "First the mean, then the variance.",
            ),
        ],
    )
    batches, _ = _batches(torch.Generator().manual_seed(9))
    edge(
        answer,
        (batches, 0.5),
        _averages,
        "You go a tenth of the way, whatever `momentum` is. Use the argument.",
    )


def _layer(g: torch.Generator) -> tuple:
    weight, x = torch.randn(4, 3, generator=g), torch.randn(9, 3, generator=g)
    x[:, 0] = 3 + x[:, 0].abs()
    weight[0] = torch.tensor([-9.0, 0.1, 0.1])  # without its bias it would be dead
    return weight, x


def _fatal(weight, x):
    return torch.tensor(
        [min(-sum(a * b for a, b in zip(w, row, strict=True)) for row in x.tolist()) for w in weight.tolist()]
    )


@exercise(
    "dice-5",
    "Dead means: even in its best row the unit's s is at most 0.",
    "The best row without bias is `(x @ weight.T).max(0)`; add b, and it must be at most 0.",
    todo="Complete the function `fatal_bias(weight, x)`: it returns a tensor of shape (h,).",
    solved="Right. One bold step of the bias below it, and no row brings the unit back.",
)
def dice_5(answer):
    def by(f):
        return lambda weight, x: f(x @ weight.T)

    function(
        answer,
        inputs=_layer,
        oracle=_fatal,
        wrong=[
            (
                by(lambda s: s.max(0).values),
                "The sign: the bias must cancel the largest input, so it is minus that.",
            ),
            (
                by(lambda s: -s.min(0).values),
                "With that bias the unit is silent in its worst row only. Take the best.",
            ),
            (
                by(lambda s: s.min(0).values),
                "Take the row in which the unit speaks loudest, and minus its value.",
            ),
            (by(lambda s: -s.mean(0)), "On average 0 is not dead: some rows are above. Take the largest."),
            (
                by(lambda s: -s.abs().max(0).values),
                "A large negative s does not speak. No absolute value here.",
            ),
            (
                by(lambda s: -s.clamp(min=0).max(0).values),
                "A unit may be dead with a bias above 0, if its inputs only ever say something negative.",
            ),
            (
                lambda weight, x: -(weight @ x.max(0).values),
                "You took the largest of each input by itself. The largest s of a *row* is asked for.",
            ),
            (by(lambda s: -s[0]), "That is the first row only. Go over all rows."),
            (
                lambda weight, x: -(weight.abs() @ x.abs().max(0).values),
                "That is a bound which no row reaches: look for the row in which s is largest.",
            ),
            (
                lambda weight, x: -weight.norm(dim=1) * x.norm(dim=1).max(),
                "That is a bound which no row reaches: look for the row in which s is largest.",
            ),
            (
                by(lambda s: -s.max(0).values - 0.01),
                "A little below is dead as well. The LARGEST such bias is asked for.",
            ),
            (by(lambda s: -s[-1]), "That is the last row only. Go over all rows."),
            (by(lambda s: -s.max()), "One number for all? Each unit has its own largest row."),
            (
                by(lambda s: -s.median(0).values),
                "That silences half of the rows. Dead is silent in all of them.",
            ),
            (by(lambda s: s.argmax(0)), "These are the numbers of the rows. What does the unit say there?"),
            (by(lambda s: -s.max(1).values), "You went over units. For each unit, go over the rows: axis 0."),
        ],
        rtol=1e-3,
        atol=1e-5,
    )


quiz(
    "dice",
    [
        question(
            "A ReLU unit is negative for every row, and its inputs stay as they are. What do gradients do to it?",
            (
                "Nothing: its gradient is 0",
                True,
                "Yes. Only inputs that move, momentum or decay can bring it back.",
            ),
            (
                "Its bias rises until it speaks",
                False,
                "Nothing tells the bias to move: no gradient reaches it.",
            ),
            (
                "Its weights shrink to 0",
                False,
                "Only weight decay does that, and it does not revive the unit.",
            ),
            ("It becomes a linear unit", False, "That is the unit which is positive for every row."),
        ),
        question(
            "What distinguishes LeakyReLU from PReLU?",
            ("Whether the slope below 0 is learned", True, "Yes: one has a parameter, the other a constant."),
            ("The size of the slope", False, "PReLU may end at 0.01, and stays a PReLU."),
            ("The place of the corner", False, "Both have it at 0."),
            ("Randomness", False, "That is RReLU."),
        ),
        question(
            "In PReLU, written with a gate p(s), what is p?",
            ("1 if this number is positive, else 0", True, "Yes: an indicator, decided by s itself."),
            ("The probability that s is positive", False, "Then the mean output would come out wrong."),
            ("A learned number per channel", False, "α is learned; p is decided by s."),
            ("The share of positive rows in the batch", False, "That is a probability, estimated."),
        ),
        question(
            "All pre-activations of a channel rise by 5. What happens to Dice's gate while training?",
            ("Nothing: it moves along", True, "Yes: the mean rises by 5, too."),
            ("It opens for every row", False, "A gate at 0 would. Dice's stands at the mean."),
            ("It shuts for every row", False, "The standardised values are what they were."),
            ("It becomes wider", False, "The spread has not changed."),
        ),
        question(
            "A Dice that creates its BatchNorm inside `forward` passes every test in training. When does it show?",
            (
                "When single rows are to be predicted",
                True,
                "Yes: there are no running averages, and eval() has no effect.",
            ),
            (
                "When the learning rate is too high",
                False,
                "No: the statistics are the batch's, as they should be then.",
            ),
            ("When the batch is large", False, "A large batch hides it best."),
            (
                "Never: it is only slower",
                False,
                "A row's output depends on its company, at prediction time too.",
            ),
        ),
    ],
)

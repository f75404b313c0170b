"""Checks of chapter 5: the next item."""

from __future__ import annotations

import math

import torch

from recbyhand.exercises.engine import close, exercise, function, one_of_wrong
from recbyhand.exercises.quizzes import question, quiz


@exercise(
    "next-1",
    "Every place is asked for what follows it. What follows the newest film of the history?",
    "19 films of the history follow another one. And the target follows the newest.",
    todo="Replace the `...` by how many questions the row asks.",
    solved="Right: twenty places, twenty questions. With a disliked target it would be 19.",
)
def next_1(answer):
    one_of_wrong(
        answer,
        [
            (19, "The newest place is asked, too: the target was liked, so it is the answer there."),
            (1, "That is BST: one question per row. SASRec asks at every place."),
            (
                21,
                "The target is read by nobody: it answers, and asks nothing. Count the places of the history.",
            ),
            (210, "One pass gives one state per place, not one for every pair."),
            (190, "Those are pairs of films. A place asks one question, whatever it looks at."),
            (18, "Between 20 films there are 19 steps, and the target is one more."),
        ],
    )
    close(answer, 20, hint="Not yet: count the places that have something after them.")


def _row(g: torch.Generator, B: int = 5, L: int = 6):
    n = torch.randint(1, L + 1, (B,), generator=g)
    n[0], n[1] = L, 2
    mask = torch.arange(L) < n[:, None]
    label = (torch.rand(B, generator=g) > 0.5).float()
    label[0], label[1], label[2] = 1.0, 1.0, 0.0
    return (
        torch.randint(2, 40, (B, L), generator=g) * mask,
        mask,
        torch.randint(2, 40, (B,), generator=g),
        label,
    )


def _answers(history, mask, item, label):
    """Place by place."""
    out = torch.zeros_like(history)
    for b in range(len(history)):
        events = history[b][mask[b]].tolist()
        events = events + ([int(item[b])] if label[b] > 0 else [0])
        for t in range(int(mask[b].sum())):
            out[b, t] = events[t + 1]
    return out


def _shift(history):
    return torch.cat([history[:, 1:], torch.zeros_like(history[:, :1])], 1)


def _newest(mask):
    return mask & ~torch.cat([mask[:, 1:], torch.zeros_like(mask[:, :1])], 1)


def _slip(liked=True, put=True, where="newest", shift=1):
    def slip(history, mask, item, label):
        out = [history, _shift(history), torch.cat([history[:, :1] * 0, history[:, :-1]], 1) * mask][shift]
        at = _newest(mask) if where == "newest" else torch.zeros_like(mask)
        if where == "last":
            at[:, -1] = True
        at = at & (label > 0)[:, None] if liked else at
        return torch.where(at, item[:, None], out) if put else out

    return slip


@exercise(
    "next-2",
    "Shift the history by one to the left. What stands after the newest event is then 0: the target belongs there.",
    "The newest event is where `mask` is True and the shifted history is 0.",
    "`torch.where(newest & (label > 0)[:, None], item[:, None], shifted)`",
    todo="Complete the function `answers(history, mask, item, label)`: ids (B, L), 0 where nothing is asked.",
    solved="Right. This is the whole difference between one question per row and one per place.",
)
def next_2(answer):
    function(
        answer,
        inputs=_row,
        oracle=_answers,
        wrong=[
            (
                _slip(put=False),
                "The newest event is not asked for anything: a liked target is its answer.",
            ),
            (_slip(liked=False), "A disliked target is taught as the next film. Only where `label` is 1."),
            (
                _slip(where="last"),
                "You put the target into the last column. In a short history the newest event is earlier.",
            ),
            (_slip(shift=0), "You did not shift: each place is asked for the film that it has just read."),
            (_slip(shift=-1), "You shifted to the right: each place is asked for the film before it."),
            (
                lambda h, m, i, y: torch.where((_shift(h) == 0) & (y > 0)[:, None], i[:, None], _shift(h)),
                "Places of padding are asked for the target, too. Only the newest event is.",
            ),
            (
                _slip(shift=0, put=False),
                "Those are the events that were read. Each place is asked for the *next* one.",
            ),
            (
                lambda h, m, i, y: torch.cat([h[:, :1] * 0, h[:, :-1]], 1),
                "Each place is asked for the film that came before it: shift the other way.",
            ),
            (
                lambda h, m, i, y: _answers(h, m, i, 1 - y),
                "You ask for the target where `label` is 0. It is an answer where it was liked.",
            ),
        ],
    )


def _believed(p, M):
    """Bisection on the derivative: p (1 - x) = (1 - p) / (M - 1) x."""
    low, high = 0.0, 1.0
    for _ in range(80):
        x = (low + high) / 2
        low, high = (x, high) if p * (1 - x) > (1 - p) / (M - 1) * x else (low, x)
    return torch.tensor(x)


@exercise(
    "next-3",
    "Film j is the answer with probability p, and the negative with probability (1 - p) / (M - 1).",
    "Its expected loss is -p ln x - (1 - p) / (M - 1) ln(1 - x), with x = σ(s). Set the derivative to 0.",
    "p / x = q / (1 - x) with q = (1 - p) / (M - 1); solve for x.",
    todo="Complete the function `believed(p, M)`: it returns one number.",
    solved="Right. With p = 0.1 and 1,000 films it is 0.991: sure of what happens once in ten times.",
)
def next_3(answer):
    function(
        answer,
        inputs=lambda g: (
            0.05 + 0.4 * torch.rand((), generator=g).item(),
            int(torch.randint(5, 50, (), generator=g)),
        ),
        oracle=_believed,
        wrong=[
            (
                lambda p, M: p,
                "That is the truth, and what the softmax learns. One drawn negative distorts it.",
            ),
            (
                lambda p, M: p / (p + 1 / (M - 1)),
                "The negative is never the positive itself: q is (1 - p) / (M - 1).",
            ),
            (
                lambda p, M: p / (p + 1 / M),
                "The negative is drawn from the M - 1 other films: q is (1 - p) / (M - 1).",
            ),
            (lambda p, M: p / (p + (1 - p) / M), "The negative is one of M - 1 films, not of M."),
            (lambda p, M: p / (p + (1 - p)), "You forgot to share 1 - p among the M - 1 films."),
            (
                lambda p, M: ((1 - p) / (M - 1)) / (p + (1 - p) / (M - 1)),
                "That is the probability of the negative: it is turned round.",
            ),
            (
                lambda p, M: math.log(p * (M - 1) / (1 - p)),
                "That is the score s. The sigmoid of it is asked for.",
            ),
            (
                lambda p, M: p * (M - 1) / (1 - p),
                "Those are the odds, e to the s. The sigmoid is odds / (1 + odds).",
            ),
        ],
    )


def _draws(above, others, n, k):
    """Term by term."""
    out = []
    for a in above.tolist():
        q = a / others
        out.append(sum(math.comb(n, j) * q**j * (1 - q) ** (n - j) for j in range(k)))
    return torch.tensor(out)


def _chance(n_plus=0, k_plus=0, complement=False, point=False, others_plus=0):
    def slip(above, others, n, k):
        q = (above.double() / (others + others_plus)).clamp(1e-12, 1 - 1e-12)
        draw = torch.distributions.Binomial(n + n_plus, probs=q[:, None])
        chance = draw.log_prob(torch.arange(k + k_plus).double()).exp()
        if point:
            return chance[:, -1].float()
        chance = chance.sum(1)
        return (1 - chance if complement else chance).float()

    return slip


def _without_replacement(above, others, n, k):
    def hit(r):
        ways = sum(math.comb(r, j) * math.comb(others - r, n - j) for j in range(min(k, n + 1)))
        return ways / math.comb(others, n)

    return torch.tensor([hit(int(r)) for r in above])


@exercise(
    "next-4",
    "Each drawn film is better with probability above / others. When is the liked film among the first k?",
    "When fewer than k of the n drawn ones are better: 0, 1, ..., k - 1 of them.",
    "`Binomial(n, probs=(above / others)[:, None]).log_prob(torch.arange(k).double()).exp().sum(1)`",
    todo="Complete the function `sampled_hit(above, others, n, k)`: it returns one probability for each of `above`.",
    solved="Right. No film was drawn, and there is no noise: this is the mean over all draws.",
)
def next_4(answer):
    function(
        answer,
        inputs=lambda g: (torch.randint(1, 400, (5,), generator=g), 500, 20, 4),
        oracle=_draws,
        wrong=[
            (
                _without_replacement,
                "You draw without replacement. In the formula each of the n draws is from all `others` anew: binomial.",
            ),
            (_chance(k_plus=1), "With k better ones the film stands at place k + 1. Count 0 to k - 1."),
            (_chance(k_plus=-1), "One too few: k - 1 better ones still leave it at place k."),
            (_chance(complement=True), "That is the probability of a miss."),
            (_chance(point=True), "That is exactly k - 1 better ones. Fewer are a hit, too: sum."),
            (
                lambda a, o, n, k: (a < k).float(),
                "That is the hit over the whole catalogue. Here only n films are drawn.",
            ),
            (
                lambda a, o, n, k: (a * n / o < k).float(),
                "You took the mean number of better ones. The number varies: it is binomial.",
            ),
            (lambda a, o, n, k: 1 - a / o, "That is one draw. Here are n, and k - 1 of them may be better."),
            (_chance(n_plus=1), "n films are drawn; the liked one is not among them."),
            (
                lambda a, o, n, k: sum((a / o) ** j * (1 - a / o) ** (n - j) for j in range(k)),
                "The j better ones may be any of the n drawn: the binomial coefficient is missing.",
            ),
            (lambda a, o, n, k: _draws(a, o, 100, k), "You draw 100 films; `n` says how many."),
            (lambda a, o, n, k: _draws(a, o, n, 10), "You count ten places; `k` says how many."),
            (
                _chance(others_plus=1),
                "Each drawn film is one of the `others`: divide by that number, not by one more.",
            ),
        ],
    )


def _turned(a, b, others, n, k):
    hits = [sum(x < k for x in rows.tolist()) for rows in (a, b)]
    drawn = [float(_draws(rows, others, n, k).double().sum()) for rows in (a, b)]
    return (hits[0] - hits[1]) * (drawn[0] - drawn[1]) < 0


def _pairs() -> list[tuple]:
    """A model that is sometimes at the very top and else far below, one that is never far off; one worse by both."""
    g, out = torch.Generator().manual_seed(0), []
    for _ in range(2):
        top, below = torch.randint(0, 3, (8,), generator=g), torch.randint(250, 400, (12,), generator=g)
        daring, steady = torch.cat([top, below]), torch.randint(6, 40, (20,), generator=g)
        steady[:2] = 0
        worse = (daring + 60).clamp(max=499)
        out += [
            (a, b, 500, 20, 4)
            for a, b in ((daring, steady), (steady, daring), (daring, worse), (worse, daring))
        ]
    at_k = torch.cat([torch.full((8,), 4), torch.full((12,), 5)])  # place k + 1 is no hit
    far = torch.cat([torch.full((3,), 3), torch.full((17,), 400)])
    split, middle = (
        torch.tensor([0] * 10 + [499] * 10),
        torch.full((20,), 200),
    )  # by mean place the second leads
    tie = torch.cat([torch.full((3,), 0), torch.full((17,), 30)])  # as many hits as `far`
    out += [(a, b, 500, 20, 4) for a, b in ((at_k, far), (far, at_k), (split, middle), (tie, far))]
    return out


def _signs(a, b, others, n, k, far=0):
    """By which sign a is ahead of b over the catalogue, and among the drawn films."""
    hits = (a < k + far).sum() - (b < k + far).sum()
    drawn = _draws(a, others, n, k + far).double().sum() - _draws(b, others, n, k + far).double().sum()
    return float(hits.sign()), float(drawn.sign())


def _each(a, b, others, n, k):
    hits = (a < k).double() - (b < k).double()
    return hits * (_draws(a, others, n, k) - _draws(b, others, n, k)) < 0


@exercise(
    "next-5",
    "Two comparisons: how many hits over the whole catalogue, and how many to be expected among n drawn films.",
    "`(a < k).sum()` against `(b < k).sum()`, then `sampled_hit(a, ...).sum()` against that of b.",
    "The order is turned when the two differences have opposite signs: their product is below 0.",
    todo="Complete the function `turned(a, b, others, n, k)`: it returns True or False.",
    solved="Right. A model that is often at the very top and else far below loses to one that is never far off.",
)
def next_5(answer):
    function(
        answer,
        inputs=_pairs(),
        oracle=_turned,
        wrong=[
            (lambda *x: not _turned(*x), "It is turned round: True where the two metrics disagree."),
            (
                lambda a, b, o, n, k: bool((a < k).sum() > (b < k).sum()),
                "That says who is ahead over the whole catalogue. Does the other metric disagree?",
            ),
            (
                lambda a, b, o, n, k: bool(_draws(a, o, n, k).sum() > _draws(b, o, n, k).sum()),
                "That says who is ahead among the drawn films. Does the whole catalogue disagree?",
            ),
            (lambda *x: True, "You say that the order always turns. Sometimes one model is ahead by both."),
            (lambda *x: False, "You say that the order never turns. In some of the trials it does."),
            (lambda *x: math.prod(_signs(*x)) <= 0, "A tie turns nothing: opposite orders only, so below 0."),
            (
                lambda *x: math.prod(_signs(*x, far=1)) < 0,
                "You count r = k as a hit. With k better films it stands at place k + 1.",
            ),
            (
                lambda *x: _signs(*x) == (1.0, -1.0),
                "The order may turn the other way round, too: b ahead over the catalogue, a among the drawn films.",
            ),
            (
                lambda *x: _signs(*x) == (-1.0, 1.0),
                "The order may turn the other way round, too: a ahead over the catalogue, b among the drawn films.",
            ),
            (
                lambda a, b, o, n, k: (
                    bool((a < k).sum() > (b < k).sum()) == bool(a.double().mean() > b.double().mean())
                ),
                "You compare mean places. Expected hits among the drawn films are something else.",
            ),
            (
                lambda a, b, o, n, k: bool(
                    (float((a < k).sum()) - float((b < k).sum()))
                    * float(a.double().mean() - b.double().mean())
                    > 0
                ),
                "You compare mean places. Hits among the drawn films are something else.",
            ),
            (_each, "That is a verdict for each film. One is asked for the two models: add up first."),
            (
                lambda *x: math.prod(_signs(*x)) > 0,
                "It is turned round: True where the two metrics disagree.",
            ),
            (
                lambda a, b, o, n, k: bool(((a < k) != (b < k)).any()),
                "You ask whether some film is a hit for one model only. Compare the two numbers of hits.",
            ),
        ],
    )


quiz(
    "next",
    [
        question(
            "Why may SASRec ask at every place in one pass?",
            (
                "The causal mask keeps every place from reading what follows",
                True,
                "Yes: no place can read its own answer.",
            ),
            ("Dropout hides the answers", False, "It hides numbers at random, not the future."),
            ("The positions count backwards", False, "They say where a film stands. They hide nothing."),
            ("The negatives are drawn elsewhere", False, "What may be read is the mask's business."),
        ),
        question(
            "A SASRec trained with one negative says σ(s) = 0.99 for a film. How likely is it the next one?",
            (
                "The sigmoid does not tell: it compares the film with a drawn one",
                True,
                "Yes: in a large catalogue a film of 10 % looks like 99 %.",
            ),
            ("99 %", False, "Then hardly any other film could come next."),
            (
                "50 %, since there are two of them",
                False,
                "So it would be if it came as often as it is drawn.",
            ),
        ),
        question(
            "A model wins among 100 drawn films and loses over the full catalogue. Which of the two does a user see?",
            (
                "The full catalogue",
                True,
                "Yes: the shelf is filled from all films, not from a hundred.",
            ),
            ("The sample", False, "Nobody draws a hundred films before the shelf is filled."),
            ("A mixture of both", False, "The shelf shows the ten best of all."),
        ),
        question(
            "What does BERT4Rec see when it fills a gap in a history?",
            (
                "What stands before the gap and what stands after it",
                True,
                "Yes: both sides, and the gap itself holds a mask token.",
            ),
            ("Only what stands before", False, "That is SASRec."),
            (
                "Everything, the answer included",
                False,
                "The answer is taken out and replaced by a mask token.",
            ),
        ),
    ],
)

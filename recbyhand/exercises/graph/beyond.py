"""Checks of chapter 6: beyond."""

from __future__ import annotations

import torch

from recbyhand.exercises.engine import Wrong, close, exercise, function, one_of_wrong
from recbyhand.exercises.quizzes import question, quiz


@exercise(
    "beyond-1",
    "At the front stand pieces without ##, behind it only pieces with ##. Take the longest that fits.",
    "`un` first; then, of what begins the rest happily, the longest with ##; then go on behind it.",
    todo="Replace the `...` by a list of strings.",
    solved="Right: longest first, each time.",
)
def beyond_1(answer):
    if isinstance(answer, tuple):
        answer = list(answer)
    if isinstance(answer, str):
        raise Wrong("Write a list of strings, one for each piece.")
    one_of_wrong(
        answer,
        [
            (
                ["[CLS]", "un", "##happ", "##ily", "[SEP]"],
                "The pieces are right. `[CLS]` and `[SEP]` are the ends of a text, and no pieces of the word.",
            ),
            (["unhappy", "##ily"], "`unhappy` does not fit: the word goes on with an i."),
            (
                ["un", "happily"],
                "`happily` is a piece for the front of a word. Inside, a piece needs its ##.",
            ),
            (["un", "##hap", "##p", "##ily"], "`##hap` fits, but a longer piece fits there, too."),
            (["un", "##happ", "##i", "##ly"], "At the end you took `##i`; a longer piece fits there."),
            (
                ["un", "##hap", "##p", "##i", "##ly"],
                "You took the shortest pieces. Take the longest each time.",
            ),
            (["un", "happ", "ily"], "Pieces inside a word are written with their ##."),
            (["unhappy"], "`unhappy` does not fit: the word goes on with an i."),
            (["unhappy", "##ly"], "`unhappy` does not fit: the word goes on with an i."),
            (["[UNK]"], "The word is not unknown: it can be cut to its end."),
        ],
    )
    close(answer, ["un", "##happ", "##ily"], hint="Not yet. Write the pieces in order, with their ##.")


def _texts(g: torch.Generator):
    B, T, d = 3, 6, 4
    mask = torch.arange(T) < torch.tensor([6, 3, 1])[torch.randperm(3, generator=g)][:, None]
    return torch.randn(B, T, d, generator=g), mask


def _pooled(h, mask):
    rows = []
    for vectors, real in zip(h.double(), mask, strict=True):
        mean = sum(v for v, r in zip(vectors, real, strict=True) if r) / int(real.sum())
        rows.append(mean / (mean**2).sum() ** 0.5)
    return torch.stack(rows).float()


@exercise(
    "beyond-2",
    "Two steps: the mean over the real pieces of each text, then length 1.",
    "`h * mask[..., None]` silences padding; a row is divided by its `.norm(dim=1, keepdim=True)`.",
    todo="Complete the function `pool(h, mask)`: it returns a tensor of shape (B, d).",
)
def beyond_2(answer):
    def unit(x):
        return x / x.norm(dim=-1, keepdim=True)

    def total(h, mask):
        return (h * mask[..., None]).sum(1)

    function(
        answer,
        inputs=_texts,
        oracle=_pooled,
        wrong=[
            (
                lambda h, mask: unit(h.mean(1)),
                "Padding is in your mean: a text then depends on its neighbours.",
            ),
            (
                lambda h, mask: (h * mask[..., None]).sum(1) / mask.sum(1, keepdim=True),
                "The mean is right. Its length is not yet 1.",
            ),
            (
                lambda h, mask: (h * mask[..., None]).sum(1),
                "That is the sum of the real pieces. Its length is not 1.",
            ),
            (lambda h, mask: unit(h[:, 0]), "That is the first piece alone. The mean of all is asked for."),
            (
                lambda h, mask: (h * mask[..., None]).mean(1),
                "You divide by T, padding included, and the length is not 1.",
            ),
            (
                lambda h, mask: (unit(h) * mask[..., None]).sum(1) / mask.sum(1, keepdim=True),
                "You scaled each piece. Scale the mean, at the end.",
            ),
            (
                lambda h, mask: unit(unit(h).mul(mask[..., None]).sum(1)),
                "You scaled each piece before the mean as well. Scale the mean alone.",
            ),
            (
                lambda h, mask: torch.softmax((h * mask[..., None]).sum(1) / mask.sum(1, keepdim=True), 1),
                "A softmax makes the sum 1. The length is asked for: the root of the sum of squares.",
            ),
            (
                lambda h, mask: total(h, mask) / total(h, mask).norm(dim=0, keepdim=True),
                "You scaled the columns. Each text is a row, and has length 1.",
            ),
            (
                lambda h, mask: (
                    total(h, mask)
                    / mask.sum(1, keepdim=True)
                    / (total(h, mask) / mask.sum(1, keepdim=True)).norm(dim=0)
                ),
                "You scaled the columns. Each text is a row, and has length 1.",
            ),
            (
                lambda h, mask: unit(h.masked_fill(~mask[..., None], -torch.inf).amax(1)),
                "That is the largest of each number. The mean is asked for.",
            ),
            (
                lambda h, mask: total(h, mask) / total(h, mask).abs().sum(-1, keepdim=True),
                "Your absolute values sum to 1. The length is the root of the sum of squares.",
            ),
            (
                lambda h, mask: total(h, mask) / total(h, mask).norm(),
                "One length for the whole batch. Each text has its own: `dim=1, keepdim=True`.",
            ),
            (
                lambda h, mask: unit(h[torch.arange(len(h)), mask.sum(1) - 1]),
                "That is the last piece alone. The mean of all real ones is asked for.",
            ),
            (
                lambda h, mask: total(h, mask) / total(h, mask).square().sum(-1, keepdim=True),
                "You divide by the square of the length: its root is missing.",
            ),
        ],
    )


@exercise(
    "beyond-3",
    "Write q · (k + b) as a sum. Which part does not know j?",
    "q · b, divided by the root of d_k.",
    todo="Complete the function `shift(q, b)`: it returns one number.",
    solved="Right. One number on all scores of a query, and the softmax divides it out: BERT's key bias has no effect.",
)
def beyond_3(answer):
    function(
        answer,
        inputs=lambda g: (torch.randn(5, generator=g), torch.randn(5, generator=g)),
        oracle=lambda q, b: torch.tensor(
            sum(float(x) * float(y) for x, y in zip(q, b, strict=True)) / 5**0.5
        ),
        wrong=[
            (lambda q, b: q @ b, "The scores are divided by the root of d_k, and so is the shift."),
            (lambda q, b: q @ b / len(q), "The root of d_k divides, not d_k itself."),
            (lambda q, b: torch.tensor(0.0), "The scores do change. It is the weights that do not."),
            (lambda q, b: b.sum() / len(q) ** 0.5, "The query is missing: the bias is multiplied by it."),
            (lambda q, b: q * b / len(q) ** 0.5, "A dot product is one number: sum over d_k."),
            (lambda q, b: -(q @ b) / len(q) ** 0.5, "The size is right. The sign is not: the bias is added."),
            (
                lambda q, b: torch.exp(q @ b / len(q) ** 0.5),
                "That is what the exponentials are multiplied by. The change of the scores is its logarithm.",
            ),
            (lambda q, b: q @ b / q.norm() / b.norm(), "That is a cosine. Only the root of d_k divides."),
        ],
    )


def _answers(g: torch.Generator):
    return torch.randn(4, 3, generator=g), torch.randint(1, 40, (4,), generator=g).float()


def _server(answers, n):
    total = [sum(float(n[k]) * float(answers[k, j]) for k in range(4)) / float(n.sum()) for j in range(3)]
    return torch.tensor(total)


@exercise(
    "beyond-4",
    "A client with twice the rows counts twice.",
    "A weighted mean over the clients: the shares are n / n.sum().",
    todo="Complete the function `server(answers, n)`: it returns a tensor of shape (d,).",
)
def beyond_4(answer):
    function(
        answer,
        inputs=_answers,
        oracle=_server,
        wrong=[
            (lambda a, n: a.mean(0), "All clients count alike; each should count by its rows."),
            (lambda a, n: n @ a, "The shares must add up to 1: divide by all rows."),
            (lambda a, n: a.sum(0), "That is the sum of the answers. A weighted mean is asked for."),
            (
                lambda a, n: torch.softmax(n, 0) @ a,
                "A softmax of the counts gives nearly all to the largest client.",
            ),
            (
                lambda a, n: n @ a / len(n),
                "You divide by the number of clients. Divide by the number of rows.",
            ),
            (lambda a, n: (1 / n) @ a / (1 / n).sum(), "Turned round: clients with few rows count most."),
            (lambda a, n: a[n.argmax()], "That is the largest client alone."),
            (
                lambda a, n: n.sqrt() @ a / n.sqrt().sum(),
                "You weigh by the root of the rows. A client with twice the rows counts twice.",
            ),
            (lambda a, n: a.median(0).values, "That is the median. A mean, weighted by rows, is asked for."),
        ],
    )


@exercise(
    "beyond-5",
    "Solve mu = root of T / sigma for sigma.",
    "sigma = root of T, divided by mu.",
    todo="Complete the function `noise_for(mu, steps)`: it returns one number.",
    solved="Right: four times the steps need twice the noise in each. More steps are not simply better.",
)
def beyond_5(answer):
    function(
        answer,
        inputs=[(0.5, 20), (1.0, 80), (2.0, 5), (0.1, 300)],
        oracle=lambda mu, steps: steps**0.5 / mu,
        wrong=[
            (lambda mu, steps: steps / mu, "The root of the number of steps, not the number."),
            (lambda mu, steps: mu / steps**0.5, "Upside down: more steps need more noise."),
            (lambda mu, steps: mu * steps**0.5, "A smaller mu needs more noise: divide by it."),
            (lambda mu, steps: 1 / mu, "That is for a single step. Each step tells something."),
            (lambda mu, steps: steps / mu**2, "That is sigma squared: take the root."),
            (lambda mu, steps: (steps / mu) ** 0.5, "The root is of the steps alone; mu stands outside."),
            (lambda mu, steps: steps**0.5 / mu**2, "You divide by mu twice."),
        ],
    )


quiz(
    "beyond",
    [
        question(
            "Why can a model with ids alone not rank new films?",
            (
                "A new film's id has never been trained, so all new films look alike",
                True,
                "Yes: nothing that was learned tells them apart.",
            ),
            ("Its vectors are too short", False, "Longer ones would be untrained as well."),
            (
                "The softmax over films leaves them out",
                False,
                "They could be scored; there is nothing to score by.",
            ),
        ),
        question(
            "What does frozen mean here?",
            ("The encoder's numbers never change while we train", True, "Yes: only M and the users learn."),
            ("The titles may not change", False, "Any text can be read, also new ones."),
            ("The user's vectors are fixed", False, "They are learned from clicks."),
        ),
        question(
            "Federated training keeps data at home. Does it keep them secret?",
            (
                "Not by itself: what a client sends can give its rows away",
                True,
                "Yes: with one row it gave away the whole row.",
            ),
            ("Yes, the server sees no row", False, "It sees a gradient, and could read a row off it."),
            ("Yes, if the clients are weighted", False, "Weights change the mean, not what is sent."),
        ),
        question(
            "Why is each person's gradient clipped before noise is added?",
            (
                "The noise must hide the most that one person can change",
                True,
                "Yes: without a bound no noise is large enough.",
            ),
            (
                "So that training does not diverge",
                False,
                "It may help with that, but is not the reason here.",
            ),
            ("To make the gradient sparse", False, "It becomes shorter, not sparse."),
        ),
    ],
)

"""Checks of chapter 2: training on two things."""

from __future__ import annotations

import math

import torch

from recbyhand.exercises.engine import close, edge, exercise, function, grows, one_of_wrong, wrong
from recbyhand.exercises.quizzes import question, quiz


def _ids(g: torch.Generator) -> tuple:
    return (torch.randint(2, 90, (3, 6), generator=g),)


def _pairs(history):
    rows = history.tolist()
    return torch.tensor([row[:5] for row in rows]), torch.tensor([row[1:] for row in rows])


@exercise(
    "two-1",
    "The state after film t is asked for film t + 1. After the last film nobody asks.",
    "Two slices of the second axis: all but the last column, all but the first.",
    todo="Replace both `...`: tensors of shape (B, L - 1).",
    solved="Right: the same films, one place apart.",
)
def two_1(answer):
    function(
        answer,
        inputs=_ids,
        oracle=_pairs,
        wrong=[
            (
                lambda h: (h[:, 1:], h[:, :-1]),
                "You ask for the film BEFORE the one read. Turn the two round.",
            ),
            (
                lambda h: (h[:, :-1], h[:, :-1]),
                "You ask for the film that was just read: a copy. Shift by one.",
            ),
            (
                lambda h: (h[:, 1:], h[:, 1:]),
                "Both are the same slice: you ask for the film that was just read.",
            ),
            (
                lambda h: (h[:, :-1], h[:, -1:].expand(-1, h.shape[1] - 1)),
                "Each place is asked for ITS next film.",
            ),
            (
                lambda h: (h[:, :-1].flip(1), h[:, 1:].flip(1)),
                "The films stand in reverse. Keep their order, oldest first.",
            ),
            (
                lambda h: (h[:, 1:].flip(1), h[:, :-1].flip(1)),
                "You read backwards, from the newest film. Keep their order, oldest first.",
            ),
            (lambda h: (h[:-1], h[1:]), "You shifted the users. Films stand along the second axis."),
            (
                lambda h: (h, h.roll(-1, 1)),
                "The last film has no next one, and yours gets the first of the history.",
            ),
        ],
    )


@exercise(
    "two-2",
    "The inner softmax gives 1 for the right film and 0 for the 49,999 others. These are the scores of the outer one.",
    "Minus the logarithm of e / (e + 49,999).",
    todo="Replace the `...` by one number.",
    solved="Right: 1 below ln 50,000 = 10.82, and never lower. A perfect model looks like an ignorant one.",
)
def two_2(answer):
    n = 50_000
    one_of_wrong(
        answer,
        [
            (0.0, "With one softmax, yes. What does the second one make of 1 and zeros?"),
            (
                math.log(n),
                "That is a model that knows nothing, or the right film's own score was forgotten: log e = 1 comes off.",
            ),
            (1.0, "1 is the score of the right film. The loss is minus the logarithm of its share of all."),
            (1 / n, "That is the probability of a guess. Compute the loss of the sure model."),
            (
                math.log(n) + 1,
                "The right film's own score lowers the loss: log e = 1 comes off, it is not added.",
            ),
            (math.e / (math.e + n - 1), "That is the probability. The loss is minus its logarithm."),
            (
                -math.log(math.e / (math.e + (n - 1) / math.e)),
                "That is one softmax under a tanh. Here no tanh stands in the way, and two softmaxes do.",
            ),
            (
                math.log10(n),
                "That is a logarithm to base 10. And two softmaxes leave a little less than ln n.",
            ),
            (math.log(math.e + 999) - 1, "That is for 1,000 films, as in the lesson. Here are 50,000."),
        ],
    )
    close(answer, math.log(math.e + n - 1) - 1)


def _places(g: torch.Generator) -> tuple:
    count = torch.randint(2, 6, (4,), generator=g)
    count[0], count[1] = 5, 1  # a full one, and one that has no next film
    return (
        torch.randn(4, 5, 3, generator=g),
        torch.randint(0, 7, (4, 5), generator=g),
        torch.arange(5) < count[:, None],
        torch.randn(7, 3, generator=g),
    )


def _asked(states, tokens, mask, E):
    losses = []
    for state, row, real in zip(states, tokens, mask, strict=True):
        for t in range(int(real.sum()) - 1):
            scores = E @ state[t]
            losses.append(scores.logsumexp(0) - scores[row[t + 1]])
    return torch.stack(losses).mean()


def _cross_entropy(states, tokens, keep, E, reduction="mean"):
    return torch.nn.functional.cross_entropy(states[keep] @ E.T, tokens[keep], reduction=reduction)


def _mean_of_means(states, tokens, mask, E):
    rows = zip(states, tokens, mask, strict=True)
    means = [_cross_entropy(s[:-1], t[1:], m[1:], E) for s, t, m in rows if m[1:].any()]
    return torch.stack(means).mean()


@exercise(
    "two-3",
    "Place t counts if place t + 1 is real: `mask[:, 1:]`. Index states and ids with it.",
    "`h = states[:, :-1][mask[:, 1:]]`, the films alike from `tokens[:, 1:]`; then `cross_entropy(h @ E.T, ...)`.",
    todo="Complete the function `next_loss(states, tokens, mask, E)`: it returns one number.",
)
def two_3(answer):
    def ours(s, t, m, E, **how):
        return _cross_entropy(s[:, :-1], t[:, 1:], m[:, 1:], E, **how)

    function(
        answer,
        inputs=_places,
        oracle=_asked,
        wrong=[
            (
                lambda s, t, m, E: ours(s, t, torch.ones_like(m), E),
                "Padding is among your questions. Use the mask.",
            ),
            (
                lambda s, t, m, E: _cross_entropy(s, t, m, E),
                "You ask for the film that was just read. Shift by one.",
            ),
            (
                lambda s, t, m, E: _cross_entropy(s[:, :-1], t[:, 1:], m[:, :-1], E),
                "A place counts if its NEXT film is real: mask[:, 1:], not mask[:, :-1].",
            ),
            (
                lambda s, t, m, E: ours(s, t, m, E, reduction="sum"),
                "That is the sum. Take the mean over the places.",
            ),
            (
                lambda s, t, m, E: torch.nn.functional.cross_entropy(
                    (s[:, :-1][m[:, 1:]] @ E.T).softmax(-1), t[:, 1:][m[:, 1:]]
                ),
                "Two softmaxes: `cross_entropy` has one inside.",
            ),
            (
                lambda s, t, m, E: ours(s, t, m, E, reduction="sum") / m[:, 1:].numel(),
                "You divide by all places. Divide by those that have a real next film.",
            ),
            (
                lambda s, t, m, E: ours(s, t, m, E, reduction="sum") / len(s),
                "You divide by the rows of the batch. Divide by the places that have a real next film.",
            ),
            (
                lambda s, t, m, E: ours(s * m[..., None], t, torch.ones_like(m), E),
                "Zeros in place of a state are still questions. Leave these places out: index with the mask.",
            ),
            (
                lambda s, t, m, E: (
                    -torch.nn.functional.logsigmoid(
                        (s[:, :-1][m[:, 1:]] * E[t[:, 1:][m[:, 1:]]]).sum(-1)
                    ).mean()
                ),
                "You judge the right film alone, by a sigmoid. A softmax sets it against all films.",
            ),
            (
                lambda s, t, m, E: ours(s, t, m, E, reduction="sum") / m.sum(),
                "You divide by all real films. The first of each row is asked of nobody: divide by the questions.",
            ),
            (
                lambda s, t, m, E: torch.nn.functional.cross_entropy(s[:, -2] @ E.T, t[:, -1]),
                "You ask at the last place only. Every place with a real next film is a question.",
            ),
            (
                lambda s, t, m, E: torch.nn.functional.binary_cross_entropy_with_logits(
                    s[:, :-1][m[:, 1:]] @ E.T,
                    torch.nn.functional.one_hot(t[:, 1:][m[:, 1:]], len(E)).float(),
                ),
                "You judge each film by a sigmoid. One softmax over all films: `cross_entropy`.",
            ),
            (
                lambda s, t, m, E: torch.nn.functional.cross_entropy(
                    s[:, :-1][m[:, 1:]] @ E[2:].T, (t[:, 1:][m[:, 1:]] - 2).clamp(min=0)
                ),
                "Here every row of E is a film: cut nothing off.",
            ),
            (
                _mean_of_means,
                "You averaged each row first, so short histories weigh more. One mean over all places.",
            ),
            (
                lambda s, t, m, E: _mean_of_means(s, t, m, E) * m[:, 1:].any(1).double().mean(),
                "You averaged each row first, and a row without questions as 0. One mean over all places.",
            ),
            (
                lambda s, t, m, E: _cross_entropy(s[:, 1:], t[:, :-1], m[:, 1:], E),
                "You ask for the film BEFORE the one read. Turn the shift round.",
            ),
            (
                lambda s, t, m, E: (
                    -(s[:, :-1] @ E.T).log_softmax(1).gather(2, t[:, 1:, None]).squeeze(2)[m[:, 1:]].mean()
                ),
                "Your softmax runs over the places. It runs over the films, the last axis.",
            ),
            (
                lambda s, t, m, E: (
                    -(s[:, :-1] @ E.T).softmax(2).gather(2, t[:, 1:, None]).squeeze(2)[m[:, 1:]].mean()
                ),
                "The logarithm is missing: that is minus the mean probability.",
            ),
            (
                lambda s, t, m, E: torch.nn.functional.cross_entropy(
                    torch.tanh(s[:, :-1][m[:, 1:]] @ E.T), t[:, 1:][m[:, 1:]]
                ),
                "A tanh holds your scores between -1 and 1. The scores of a softmax are free.",
            ),
        ],
    )
    s, t, m, E = _places(torch.Generator().manual_seed(0))
    edge(
        answer,
        (100 * s, t, m, E),
        _asked,
        "Scores of some hundreds break it: the exponential overflows, or a small number beside the logarithm cuts the "
        "loss off. `cross_entropy` or `log_softmax` do exponential and logarithm in one.",
    )
    if grows(answer, (s, t, m, E), (s.repeat(20, 1, 1), t.repeat(20, 1), m.repeat(20, 1), E)) > 3:
        wrong("Right, but you go from row to row (a comprehension is a loop, too). All rows at once, please.")


def _drawn(g: torch.Generator) -> tuple:
    q = torch.rand(5, generator=g) + 0.1
    return torch.randn(3, 5, generator=g), q / q.sum() / 2, 5


@exercise(
    "two-4",
    "To divide exp(s) by n q is to take log(n q) off s.",
    "`scores - torch.log(n * q)`: q goes along the columns by itself.",
    todo="Complete the function `corrected(scores, q, n)`: it returns a tensor of shape (N, n).",
)
def two_4(answer):
    function(
        answer,
        inputs=_drawn,
        oracle=lambda s, q, n: torch.stack([s[:, k] - math.log(n * float(q[k])) for k in range(len(q))], 1),
        wrong=[
            (lambda s, q, n: s, "Nothing was corrected: a film that is drawn often still counts too often."),
            (lambda s, q, n: s + torch.log(n * q), "The sign: a film that is drawn often must count LESS."),
            (lambda s, q, n: s - torch.log(q), "n is missing: the more films you draw, the larger the sum."),
            (
                lambda s, q, n: s / (n * q),
                "You divided the score. The exponential is divided: a logarithm comes off.",
            ),
            (lambda s, q, n: s - n * q, "The logarithm is missing."),
            (
                lambda s, q, n: s.exp() / (n * q),
                "That is the term of the sum. Asked is what stands IN the exponential.",
            ),
            (lambda s, q, n: s - n * torch.log(q), "n belongs inside the logarithm: log(n q), not n log q."),
            (lambda s, q, n: s - math.log(n), "q is missing: each film has its own."),
            (
                lambda s, q, n: s - torch.log10(n * q),
                "That is the logarithm to base 10. The exponential is undone by the natural one, `torch.log`.",
            ),
            (lambda s, q, n: s - math.log(n) * q, "q belongs inside the logarithm: log(n q), not q log n."),
            (lambda s, q, n: s - torch.log(n * n * q), "n counts once: log(n q)."),
            (lambda s, q, n: s - torch.log1p(n * q), "Nothing is added inside: log(n q), not log(1 + n q)."),
            (
                lambda s, q, n: s - torch.log2(n * q),
                "That is the logarithm to base 2. The exponential is undone by the natural one, `torch.log`.",
            ),
            (
                lambda s, q, n: s - torch.log(n * q / q.sum()),
                "q are probabilities in the whole catalogue, not only among the drawn: they need not sum to 1.",
            ),
            (
                lambda s, q, n: s - torch.log(len(s) * q),
                "n is the number of drawn films, not of the rows of `scores`.",
            ),
            (
                lambda s, q, n: s - torch.log(1 - (1 - q) ** n),
                "That is the chance to be drawn at all. {eq} counts how often it is expected: n q.".replace(
                    "{eq}", "The formula"
                ),
            ),
            (
                lambda s, q, n: (s - torch.log(n * q)).softmax(1),
                "Those are shares already. Asked is what stands IN the exponential.",
            ),
            (
                lambda s, q, n: s * torch.log(n * q),
                "The logarithm is taken off, not multiplied.",
            ),
            (
                lambda s, q, n: s - torch.log(q / n),
                "n q is how often a film is expected among n draws; not q / n.",
            ),
        ],
    )


@exercise(
    "two-5",
    "Count the parameters of both, and print their names.",
    "Which table scores the next film? Which table is read?",
    todo="Replace the `...` by a whole number.",
    solved="Right: none. The vectors that are read are the vectors that are scored.",
)
def two_5(answer):
    one_of_wrong(
        answer,
        [
            (122 * 16, "That would be a table of its own for the answers. Is there one? Print the names."),
            (
                120 * 16,
                "That would be a table of its own for the answers. Is there one here? Print the names again.",
            ),
            (120 * 16 + 120, "That is the source's output layer, `nn.Linear(dim, n_items)`. Ours has none."),
            (1, "Alpha is a setting, not a weight: it is not learned."),
        ],
    )
    close(answer, 0, hint="Not yet. Subtract the two counts; both models with dim=16, on `task.schema`.")


quiz(
    "two-losses",
    [
        question(
            "Histories have twenty films. How many questions does one give to the second loss?",
            ("19", True, "Yes: after the last film there is none in the history."),
            ("20", False, "The last film has no next one. The candidate is not it."),
            ("1", False, "Every place asks, not only the last."),
        ),
        question(
            "A loss over 5,000 films starts at 8.517 and stays there. ln 5,000 = 8.517. What do you suspect?",
            (
                "A softmax too many, or over the wrong axis",
                True,
                "Yes. Feed it a perfect prediction and look.",
            ),
            ("The step size is too small", False, "Perhaps, but first exclude that the loss CANNOT fall."),
            ("Nothing: this is a hard task", False, "Even a popularity model is below ln n."),
        ),
        question(
            "Films are drawn by popularity, and log(n q) is not taken off. What do the scores look like?",
            ("Popular films come out too low", True, "Yes: they are pushed down each time they are drawn."),
            ("Popular films come out too high", False, "Being drawn as a negative pushes down, not up."),
            ("Only the loss is off, not the scores", False, "The gradient is off as well, film by film."),
        ),
        question(
            "The second loss lowers your click AUC. Which explanation fits this lesson?",
            (
                "Its question turns on something else than the clicks do",
                True,
                "Yes: as in the world of order, where histories do not follow the rule.",
            ),
            ("It adds weights, which overfit", False, "It adds none: both questions share all of them."),
            ("Two losses can never be added", False, "They can; the weight says how much each counts."),
        ),
    ],
)

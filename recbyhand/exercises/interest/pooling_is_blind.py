"""Checks of chapter 4, lesson "Pooling is blind"."""

from __future__ import annotations

import numpy as np
import torch

from recbyhand.exercises.engine import Wrong, close, edge, exercise, function, one_of_wrong, shape
from recbyhand.exercises.quizzes import question, quiz


@exercise(
    "pool-1",
    "Which vectors count, and how many are they?",
    "(4 + 2 + 0, 0 + 2 - 5), divided by the number of ones in the mask.",
    todo="Replace the `...` by two numbers, such as [0.5, 1.0].",
    solved="Right: (6, -3) / 3.",
)
def pool_1(answer):
    one_of_wrong(
        answer,
        [
            ((6.0, -3.0), "That is the sum. The mean divides it by the number of films."),
            (
                (1.5, -0.75),
                "You divided by the four places. Only three of them are films: the mask has three ones.",
            ),
            ((3.25, 1.0), "The vector (7, 7) is padding, whatever it says: the mask is 0 there."),
            ((13 / 3, 4 / 3), "You divided by three, but added four vectors. (7, 7) is padding."),
            ((13.0, 4.0), "That is the sum of all four. Leave the padding out, and divide."),
            ((4.0, 2.0), "That is the maximum over the films. The mean adds them up and divides."),
            ((2.0, 7 / 3), "(0, -5) counts with its sign: 0 + 2 - 5."),
            ((1 / 3,) * 2, "The mean is taken over films, in each of the two dimensions by itself."),
        ],
    )
    close(
        answer,
        [2.0, -1.0],
        hint="Not yet. Add the vectors whose mask is 1, then divide by how many they are.",
    )


def _histories(g: torch.Generator) -> tuple:
    mask = torch.rand(4, 6, generator=g) < 0.6
    mask[:, 0], mask[:, 1] = True, False
    return torch.randn(4, 6, 3, generator=g), mask


def _pooled(e, mask):
    out = torch.zeros(e.shape[0], e.shape[2])
    for row in range(len(e)):
        real = [vector for vector, there in zip(e[row], mask[row], strict=True) if there]
        out[row] = sum(real) / len(real) if real else 0
    return out


@exercise(
    "pool-2",
    "Turn the mask into numbers of shape (B, L, 1), so that they multiply whole vectors.",
    "Sum over axis 1, divide by the sum of the mask over axis 1; `clamp(min=1)` saves the empty row.",
    todo="Complete the function `pool(e, mask)`: it returns a tensor of shape (B, d).",
)
def pool_2(answer):
    def m(mask):
        return mask[:, :, None].float()

    function(
        answer,
        inputs=_histories,
        oracle=_pooled,
        wrong=[
            (
                lambda e, mask: (m(mask) * e).sum(1) * len(e) / m(mask).sum(),
                "You divide by the films of an average history. Divide each row by its own number.",
            ),
            (lambda e, mask: e.mean(1), "Padded places are in your mean. Use the mask."),
            (
                lambda e, mask: (m(mask) * e).mean(1),
                "You divide by the number of places, L. Divide by the number of films.",
            ),
            (lambda e, mask: (m(mask) * e).sum(1), "That is the sum. Divide by the number of films."),
            (
                lambda e, mask: e.sum(1) / m(mask).sum(1),
                "You divide by the right number, but the padding is still in the sum.",
            ),
            (
                lambda e, mask: (m(mask) * e).sum(2),
                "You added up the dimensions of each film. Add the films: axis 1.",
            ),
            (
                lambda e, mask: (m(mask) * e).sum(1) / m(mask).sum(1).clamp(min=1).sqrt(),
                "You divide by the root of n. A mean divides by n.",
            ),
            (
                lambda e, mask: e[torch.arange(len(e)), mask.long().cumsum(1).argmax(1)],
                "That is the last film alone. The mean takes all films of the history.",
            ),
            (
                lambda e, mask: (m(mask) * e).sum(1) / mask.sum(),
                "You divide by the films of the whole batch. Each history has its own number.",
            ),
            (
                lambda e, mask: e.masked_fill(~mask[..., None], -9.0).amax(1),
                "That is the maximum over the films, not their mean.",
            ),
            (lambda e, mask: (m(mask) * e).amax(1), "That is the maximum over the films, not their mean."),
            (
                lambda e, mask: _pooled(e, torch.arange(mask.shape[1]) < mask.sum(1, keepdim=True)),
                "You take the first n places. The mask says which: padding may stand anywhere.",
            ),
            (
                lambda e, mask: (m(~mask) * e).sum(1) / m(~mask).sum(1).clamp(min=1),
                "You averaged the padding. The mask is true where there is a film.",
            ),
            (
                lambda e, mask: (m(mask) * e).sum(1) / (m(mask).sum(1) + 1),
                "You divide by n + 1. Only an empty history needs help: `clamp(min=1)` leaves all others alone.",
            ),
        ],
    )
    nobody = (torch.ones(2, 3, 2), torch.tensor([[True, False, False], [False] * 3]))
    try:
        function(answer, inputs=[nobody], oracle=_pooled)
    except Wrong as verdict:
        if verdict.kind == "stub":
            raise
        raise Wrong("An empty history should give zeros: you divide 0 by 0 there.") from None
    one = torch.ones(1, 2, 3), torch.tensor([[True, False]])
    edge(
        answer, one, _pooled, "A batch of one keeps its axis: the shape is (1, d). `squeeze()` takes it away."
    )
    rubbish = torch.tensor([[[1.0, 2.0], [torch.inf, torch.nan]]])
    try:
        function(
            answer, inputs=[(rubbish.nan_to_num(nan=1e30, posinf=1e30), nobody[1][:1, :2])], oracle=_pooled
        )
    except Wrong as verdict:
        if verdict.kind == "stub":
            raise
        raise Wrong("Padded places hold large numbers here, and they show in your mean.") from None


def _head(g: torch.Generator) -> tuple:
    a, b = torch.randn(3, generator=g), torch.randn(3, generator=g)
    return a, b, float(torch.randn((), generator=g)), torch.randn(9, 3, generator=g)


@exercise(
    "pool-3",
    "Which of the three terms of a . x + b . t + c is not the same for all films of one user?",
    "The score of row i of V is b . V[i], up to something that all rows share. Sort, largest first.",
    todo="Complete the function `everybody(a, b, c, V)`: it returns M row numbers, best first.",
    solved="Right: a and c do nothing to the order, and no user is needed to know it.",
)
def pool_3(answer):
    def by(score, largest=True):
        return lambda a, b, c, V: np.argsort(
            (-1 if largest else 1) * score(a, b, c, V).numpy(), kind="stable"
        )

    function(
        answer,
        inputs=_head,
        oracle=lambda a, b, c, V: sorted(range(len(V)), key=lambda i: -float((V[i] * b).sum())),
        wrong=[
            (by(lambda a, b, c, V: V @ b, False), "Best first: you begin with the worst."),
            (by(lambda a, b, c, V: V @ a), "a belongs to the history. The films meet b."),
            (
                by(lambda a, b, c, V: V @ (a + b)),
                "a belongs to the history, and is no part of a film's score.",
            ),
            (by(lambda a, b, c, V: V @ (a * b)), "a and b never meet: the head has no product."),
            (
                by(lambda a, b, c, V: V @ b / V.norm(dim=1)),
                "As in a cosine, you divided each vector by its size. The score is b . t, size and all.",
            ),
            (
                lambda a, b, c, V: (V @ b).argsort(descending=True) + 1,
                "Right but for one: rows are counted from 0.",
            ),
            (
                lambda a, b, c, V: (V @ b).argsort(descending=True) + 2,
                "These are ids of a catalogue, which start at 2. Rows of V are counted from 0.",
            ),
            (by(lambda a, b, c, V: V.norm(dim=1)), "The length of a film's vector is not its score. Use b."),
            (
                lambda a, b, c, V: (V @ b).sort(descending=True).values,
                "You sorted the numbers themselves. Which rows have them? `argsort` in place of `sort`.",
            ),
            (
                lambda a, b, c, V: V @ b + c,
                "You return what the films score, c and all. Sort: the rows of V, the best one in front.",
            ),
            (
                lambda a, b, c, V: V @ b,
                "These are the scores. The list is asked for: row numbers, best first.",
            ),
            (
                lambda a, b, c, V: (V @ b).argsort(descending=True).argsort(),
                "You return the rank of each film; the list is asked for: which film is first, second, ...",
            ),
            (
                lambda a, b, c, V: V[(V @ b).argsort(descending=True)],
                "These are the vectors in the right order. Return their row numbers.",
            ),
            (lambda a, b, c, V: (V @ b).argmax(), "That is the first film. The whole list is asked for."),
        ],
        hint="Not the list. Leave out what is the same for every film, and sort by the rest.",
    )


def _one_history(g: torch.Generator) -> tuple:
    mask = torch.tensor([True, True, True, True, False, False])[torch.randperm(6, generator=g)]
    return torch.randn(6, 3, generator=g), mask, torch.randn(3, generator=g), torch.randn(3, generator=g)


def _shares(e, mask, t, w):
    n = max(1, int(mask.sum()))
    return [float(sum(w * e[i] * t)) / n if mask[i] else 0.0 for i in range(len(e))]


@exercise(
    "pool-4",
    "x is a sum. Put it into w . (x * t), and pull the sum out.",
    "Place i contributes w . (e_i * t) / n, where n is the number of films; padding contributes 0.",
    todo="Complete the function `share(e, mask, t, w)`: it returns a tensor of shape (L,).",
    solved="Right. A weight for each film, from the film and the target: attention by elements, not normalised.",
)
def pool_4(answer):
    function(
        answer,
        inputs=_one_history,
        oracle=_shares,
        wrong=[
            (
                lambda e, mask, t, w: mask * (e @ (w * t)),
                "Your numbers belong to the sum. The mean divides by n.",
            ),
            (
                lambda e, mask, t, w: mask * (e @ (w * t)) / len(e),
                "You divide by the number of places; x is a mean over the films.",
            ),
            (
                lambda e, mask, t, w: e @ (w * t) / mask.sum(),
                "Padding contributes, too. It should be 0 there.",
            ),
            (
                lambda e, mask, t, w: mask * (e @ w) / mask.sum(),
                "The target is missing: each e_i meets t first.",
            ),
            (
                lambda e, mask, t, w: mask * (e @ (w + t)) / mask.sum(),
                "You added w and t. The score multiplies: w . (e_i * t).",
            ),
            (
                lambda e, mask, t, w: mask / mask.sum(),
                "That is how much each film counts, 1/n. How much does it add to the score?",
            ),
            (
                lambda e, mask, t, w: (lambda z: z / z.sum())(mask * (e @ (w * t))),
                "You made them sum to 1. They add up to the score.",
            ),
            (
                lambda e, mask, t, w: mask * (e @ w) * (e @ t) / mask.sum(),
                "Two dot products multiplied are another thing: w . (e_i * t), one sum.",
            ),
            (
                lambda e, mask, t, w: mask * e.sum(1) * (w @ t) / mask.sum(),
                "The three multiply place by place before the sum: w . (e_i * t).",
            ),
            (
                lambda e, mask, t, w: mask * (mask * (e @ (w * t))).sum() / mask.sum() ** 2,
                "You share the score out evenly. Each film adds what it adds by itself.",
            ),
            (
                lambda e, mask, t, w: mask * (e @ (w * t)) / mask.sum() / len(t),
                "A dot product is a sum over d, not a mean.",
            ),
            (
                lambda e, mask, t, w: ~mask * (e @ (w * t)) / (~mask).sum().clamp(min=1),
                "You kept the padding. The mask is true where there is a film.",
            ),
            (
                lambda e, mask, t, w: mask * (e @ (w * t)) / mask.sum() ** 2,
                "You divide by n twice.",
            ),
            (lambda e, mask, t, w: mask * (e @ t) / mask.sum(), "w is missing: it weighs the dimensions."),
            (
                lambda e, mask, t, w: (mask * (e @ (w * t))).sum() / mask.sum(),
                "That is the score itself, one number. One for each place is asked for; they add up to it.",
            ),
            (
                lambda e, mask, t, w: (mask[:, None] * e * w * t) / mask.sum(),
                "You keep d numbers for each place. Add them up: w . (e_i * t) is one number.",
            ),
            (
                lambda e, mask, t, w: (e @ (w * t)).masked_fill(~mask, -torch.inf).softmax(0),
                "That is a softmax of them. Here the numbers themselves add up to the score.",
            ),
            (
                lambda e, mask, t, w: mask * (e @ (w * t)) * mask.sum(),
                "You multiplied by n. Each film has a share of 1/n in the mean.",
            ),
        ],
        rtol=1e-3,
        atol=1e-5,
    )
    e, t = torch.ones(3, 2), torch.ones(2)
    nobody = e, torch.zeros(3, dtype=torch.bool), t, t
    edge(
        answer,
        nobody,
        _shares,
        "An empty history: n is 0 there, and each place contributes 0. Mind the division.",
    )
    one = e[:1], torch.tensor([True]), t, t
    edge(answer, one, _shares, "A history of one place keeps its axis: the shape is (1,).")


@exercise(
    "pool-5",
    "Can you write the head as (something of x) + (something of t), perhaps inside an increasing function?",
    "If yes, there is one list. |x - t| cannot be split in this way, and neither can a product.",
    todo="Replace each `...` by True (more than one list) or False, in the order of `heads`.",
    solved="Right: what splits into a user's part and a film's part gives one list.",
)
def pool_5(answer):
    if isinstance(answer, dict):
        answer = list(answer.values())
    shape(answer, (6,), "one truth value for each head")
    given = np.asarray(answer).tolist()
    if any(value not in (0, 1) for value in given):
        raise Wrong("Each answer is True (more than one list is possible) or False, no number of lists.")
    told = [bool(value) for value in given]
    why = [
        "[x, t], linear, is the head of the proof: z(t) - z(t') has no user in it.",
        "exp is increasing. It changes the scores, and not the order of any two.",
        "x - t is linear: its weights can be added to those of x and of t, and the proof goes on.",
        "|x - t| is not the sum of a part of x and a part of t: where it bends depends on the user.",
        "Two linear layers without an activation in between are one linear layer.",
        "Expand |x - t|² = x.x - 2 x.t + t.t. What is left of the head?",
    ]
    right = (False, False, False, True, False, True)
    if all(mine != truth for mine, truth in zip(told, right, strict=True)):
        raise Wrong("All six the other way round: True says that more than one list is possible.")
    for mine, truth, text in zip(told, right, why, strict=True):
        if mine != truth:
            raise Wrong(text)


quiz(
    "pooling",
    [
        question(
            "A model pools the history, concatenates it with the target, and has one linear layer and a sigmoid. "
            "What does the history change?",
            (
                "The scores, but never the order of two films",
                True,
                "Yes: it adds the same number to every film of that user.",
            ),
            (
                "Nothing at all",
                False,
                "It changes the scores: all of one user's films go up or down together.",
            ),
            (
                "The order, if the vectors are long enough",
                False,
                "The difference of two films has no user in it.",
            ),
            ("The order, once the model is trained", False, "The proof holds for any weights."),
        ),
        question(
            "Two users have seen the same film; one of them saw it twice, and nothing else. Which pooling tells them "
            "apart?",
            ("The sum", True, "Yes: one vector is twice the other. The mean is the same for both."),
            ("The mean", False, "The mean of a vector with itself is that vector."),
            ("Both", False, "The mean of a vector with itself is that vector."),
            ("Neither", False, "The sum of a vector with itself is twice that vector."),
        ),
        question(
            "The largest contribution fell on a relevant film nearly always, and yet the score was far from the best "
            "possible. Why?",
            (
                "The small contributions of all other films add up to a large noise",
                True,
                "Yes: deciding before adding closed most of the gap, with the same weights.",
            ),
            (
                "The film vectors were bad",
                False,
                "With the same vectors, deciding before adding did much better.",
            ),
            (
                "There was too little training",
                False,
                "Without any training, deciding before adding did better.",
            ),
            ("The mask was missing", False, "No history of that world is padded."),
        ),
        question(
            "Why did the model that gives everybody one list not look broken on MovieLens?",
            (
                "Good films and generous users explain much of who likes what",
                True,
                "Yes, and a sum can say both. Nothing but the lists themselves shows the fault.",
            ),
            ("MovieLens is too small to show it", False, "The fault is exact, whatever the size: one list."),
            ("Its histories are shorter", False, "The proof does not ask how long they are."),
            ("AUC cannot be computed there", False, "It can, and it looks respectable."),
        ),
    ],
)

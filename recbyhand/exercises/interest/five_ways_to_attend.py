"""Checks of chapter 4, lesson "Five ways to attend"."""

from __future__ import annotations

import torch

from recbyhand.exercises.engine import Wrong, call, close, edge, exercise, function, one_of_wrong
from recbyhand.exercises.quizzes import question, quiz


@exercise(
    "attend-1",
    "Raise e to each score first. Which of the four takes part?",
    "4, 1 and 3 make 8. Divide each by 8; the padding gets 0.",
    todo="Replace the `...` by four numbers.",
    solved="Right: 4, 1 and 3 eighths.",
)
def attend_1(answer):
    s, mask = torch.tensor([4.0, 1.0, 3.0, 9.0]).log(), torch.tensor([True, True, True, False])
    s[3] = 9
    one_of_wrong(
        answer,
        [
            (s.softmax(0), "The padding takes part in your softmax, and takes nearly everything."),
            (s.softmax(0) * mask, "You masked after the softmax only: what is left no longer sums to 1."),
            (
                (s * mask).softmax(0),
                "You set the padded score to 0; exp(0) = 1, so the padding still speaks.",
            ),
            (
                (s * mask).softmax(0) * mask,
                "The padding's exp(0) = 1 is still in the sum that you divide by.",
            ),
            ([4.0, 1.0, 3.0, 0.0], "These are the exponentials. Divide them by their sum."),
            ([0.5, 0.0, 0.375, 0.0], "exp(0) is 1, not 0: the second film has a weight."),
            ([4 / 7, 0.0, 3 / 7, 0.0], "You took exp(0) for 0. It is 1: the second film has a weight."),
            ([0.8, 0.5, 0.75, 0.0], "A sigmoid looks at one score alone. Let the three share 1."),
            ([50.0, 12.5, 37.5, 0.0], "Weights sum to 1; yours are in per cent."),
            (
                [0.5, 0.125, 0.375, 1.0],
                "Right for the films. But padding gets no weight: 0.",
            ),
            ([1 / 3] * 3 + [0.0], "Equal weights are pooling. Raise e to each score, then divide."),
            ([0.5, 0.125, 0.375], "Right for the films. The fourth place has a weight, too: which?"),
            (s[:3] / s[:3].sum(), "You divided the scores themselves. A softmax takes the exponentials."),
            (
                torch.cat([s[:3] / s[:3].sum(), torch.zeros(1)]),
                "You divided the scores themselves. A softmax takes the exponentials.",
            ),
        ],
    )
    close(
        answer, [0.5, 0.125, 0.375, 0.0], hint="Not yet. The weights of the three films are 4, 1 and 3 parts."
    )


def _scores(g: torch.Generator) -> tuple:
    mask = torch.rand(3, 5, generator=g) < 0.6
    mask[:, 0], mask[:, 4] = True, False
    return 2 * torch.randn(3, 5, generator=g), mask


def _softmax(s, mask):
    out = torch.zeros(s.shape, dtype=torch.double)
    for row in range(len(s)):
        real = s[row][mask[row]].double()
        if len(real):
            out[row][mask[row]] = (real - real.max()).exp() / (real - real.max()).exp().sum()
    return out


@exercise(
    "attend-2",
    "What must stand at padded places before the softmax, so that their exponential is 0?",
    "`s.masked_fill(~mask, torch.finfo(s.dtype).min)`, softmax over axis 1; then think of the empty row.",
    todo="Complete the function `weights(s, mask)`: it returns a tensor of shape (B, L).",
)
def attend_2(answer):
    function(
        answer,
        inputs=_scores,
        oracle=_softmax,
        wrong=[
            (lambda s, mask: s.softmax(1), "The padding takes part. Use the mask."),
            (
                lambda s, mask: s.softmax(1) * mask,
                "Masking after the softmax is half of it: the padding is in the sum that you divide by.",
            ),
            (
                lambda s, mask: (s * mask).softmax(1),
                "A padded score of 0 is a score like any other: exp(0) = 1. Before the softmax it must be very low.",
            ),
            (
                lambda s, mask: (s * mask).softmax(1) * mask,
                "exp(0) = 1 of the padding is in the sum you divide by.",
            ),
            (
                lambda s, mask: s.masked_fill(~mask, -1e30).softmax(0) * mask,
                "Your weights sum to 1 over the batch. The softmax is over one history: axis 1.",
            ),
            (
                lambda s, mask: s.exp() * mask,
                "These are the exponentials. Divide by their sum over the history.",
            ),
            (lambda s, mask: s.masked_fill(~mask, 0), "These are scores, masked. Now take their softmax."),
            (
                lambda s, mask: s.masked_fill(mask, -1e30).softmax(1) * ~mask,
                "You gave the weight to the padding: the mask is true where there is a film.",
            ),
            (
                lambda s, mask: s.masked_fill(~mask, -1.0).softmax(1) * mask,
                "A padded score of -1 is not low enough: exp(-1) = 0.37 is in your sum. Use the lowest number.",
            ),
            (
                lambda s, mask: s.masked_fill(~mask, -1e9).log_softmax(1),
                "These are logarithms of the weights: take `softmax`.",
            ),
            (
                lambda s, mask: s * mask / (s * mask).sum(1, keepdim=True),
                "You divided the scores themselves. Raise e to each first: a score may be negative.",
            ),
            (
                lambda s, mask: s.masked_fill(~mask, -1e9).flatten().softmax(0).view(s.shape) * mask,
                "All histories together share 1 with you. Each history has a softmax of its own: axis 1.",
            ),
            (
                lambda s, mask: mask / mask.sum(1, keepdim=True).clamp(min=1),
                "That is pooling: all films weigh the same. Use the scores.",
            ),
            (
                lambda s, mask: (lambda a: a / (a.sum(1, keepdim=True) + 0.01))(
                    s.masked_fill(~mask, -1e30).softmax(1) * mask
                ),
                "Something is added to the sum that you divide by: the weights of a history no longer sum to 1.",
            ),
            (
                lambda s, mask: s.sigmoid() * mask,
                "A sigmoid looks at one score alone. The softmax lets the films of a history share 1.",
            ),
        ],
    )
    mask = torch.tensor([[True, True, False], [False] * 3])
    for s, text in (
        (torch.zeros(2, 3), "An empty history should get zeros. Yours has other weights there, or nan."),
        (
            torch.tensor([[1000.0, 999.0, 5.0], [1.0, 2.0, 3.0]]),
            "A score of 1000 is too much for you: exp(1000) is infinity. Subtract the largest first.",
        ),
    ):
        try:
            function(answer, inputs=[(s, mask)], oracle=_softmax)
        except Wrong as verdict:
            if verdict.kind == "stub":
                raise
            raise Wrong(text) from None
    one = torch.tensor([[True, False]])
    for scores, text in (
        ([[0.0, 0.0]], "A batch of one keeps its axis: the shape is (1, L)."),
        (
            [[0.0, 2000.0]],
            "Subtract the largest of the real scores; a padded one may be larger, and leave 0/0.",
        ),
        (
            [[-200.0, 0.0]],
            "A padded score must be lower than any real one, however low: -inf, or the lowest number.",
        ),
    ):
        edge(answer, (torch.tensor(scores), one), _softmax, text)


def _linear(g: torch.Generator) -> tuple:
    return torch.randn(5, 3, generator=g), torch.randn(3, generator=g)


@exercise(
    "attend-3",
    "Write exp(w_e . e_i + w_t . t + b) as a product. Which factors stand in every term of the denominator?",
    "The softmax of the numbers w_e . e_i, over the films.",
    todo="Complete the function `simpler(e, w_e)`: it returns a tensor of shape (L,).",
    solved="Right: the target, its weights and the bias cancel.",
)
def attend_3(answer):
    function(
        answer,
        inputs=_linear,
        oracle=lambda e, w: [
            float((w * e[i]).sum().exp() / sum((w * v).sum().exp() for v in e)) for i in range(len(e))
        ],
        wrong=[
            (lambda e, w: e @ w, "These are the scores, less what cancels. The softmax is missing."),
            (lambda e, w: (e @ w).exp(), "Divide by the sum of the exponentials."),
            (lambda e, w: (e @ w).sigmoid(), "A sigmoid looks at one film. The softmax shares 1 among all."),
            (
                lambda e, w: (e * w).softmax(0),
                "You took a softmax in each dimension. A film has one score: w_e . e_i.",
            ),
            (
                lambda e, w: (e * w).softmax(0).sum(1),
                "You took a softmax for every number of the vectors, then added up. A film has one score, w_e . e_i.",
            ),
            (lambda e, w: (e @ w).log_softmax(0), "These are the logarithms of the weights: take `softmax`."),
            (
                lambda e, w: (-(e @ w)).softmax(0),
                "The sign: a film with a large w_e . e_i gets a large weight.",
            ),
            (lambda e, w: e.sum(1).softmax(0), "w_e is missing: a film's score is w_e . e_i."),
            (
                lambda e, w: (e @ w / len(w) ** 0.5).softmax(0),
                "No root of d here: it belongs to the dot product of two vectors that are learned.",
            ),
            (
                lambda e, w: torch.ones(len(e)) / len(e),
                "Not everything cancels: w_e . e_i differs between films.",
            ),
            (
                lambda e, w: e @ w / (e @ w).sum(),
                "You divided the scores themselves. Exponentials first: a softmax.",
            ),
            (lambda e, w: (e * w).mean(1).softmax(0), "A dot product is a sum over d, not a mean."),
            (lambda e, w: (e @ w).relu().softmax(0), "No ReLU: the score is linear."),
            (
                lambda e, w: torch.ones(len(e)),
                "That is a softmax over one film. It is taken over all films of the history.",
            ),
        ],
        rtol=1e-3,
    )
    one = torch.ones(1, 3), torch.ones(3)
    edge(answer, one, lambda e, w: [1.0], "A history of one film keeps its axis: the shape is (1,).")


def _three(g: torch.Generator) -> tuple:
    return tuple(torch.randn(4, generator=g) for _ in range(3))


@exercise(
    "attend-4",
    "Write both parts as double sums over e_j and t_k. Which (j, k) does the first one use?",
    "w on the diagonal, plus the table of all products p_j q_k.",
    todo="Complete the function `matrix(w, p, q)`: it returns a tensor of shape (d, d).",
    solved="Right: diag(w) + p qᵀ. Any matrix is a sum of such outer products.",
)
def attend_4(answer):
    def entries(w, p, q):
        d = len(w)
        return [[float(p[j] * q[k] + (w[j] if j == k else 0)) for k in range(d)] for j in range(d)]

    diag, outer = torch.diag, torch.outer
    function(
        answer,
        inputs=_three,
        oracle=entries,
        wrong=[
            (
                lambda w, p, q: diag(w) + outer(q, p),
                "The film stands on the left, e W t: rows belong to p, columns to q.",
            ),
            (lambda w, p, q: diag(w) + 2 * outer(p, q), "The product of p and q comes once, not twice."),
            (lambda w, p, q: diag(w**2) + outer(p, q), "w stands on the diagonal as it is, not squared."),
            (lambda w, p, q: diag(w), "That is the elementwise part. (p . e)(q . t) is missing."),
            (lambda w, p, q: outer(p, q), "That is the second part. The elementwise part is missing."),
            (
                lambda w, p, q: diag(w) + diag(p * q),
                "(p . e)(q . t) has all products p_j q_k, not only j = k.",
            ),
            (
                lambda w, p, q: diag(w) + p @ q,
                "p . q is one number. The table of all p_j q_k is an outer product.",
            ),
            (lambda w, p, q: diag(w) - outer(p, q), "The second part is added; you took it away."),
            (lambda w, p, q: torch.eye(len(w)) + outer(p, q), "The diagonal holds w, not ones."),
            (
                lambda w, p, q: outer(w, w) + outer(p, q),
                "w . (e * t) has only the products e_j t_j: w on the diagonal, and nothing beside it.",
            ),
            (lambda w, p, q: w + outer(p, q), "You added w to every row. It belongs on the diagonal."),
            (
                lambda w, p, q: w[:, None] + outer(p, q),
                "You added w to every column. It belongs on the diagonal.",
            ),
            (
                lambda w, p, q: diag(w) + p[:, None] + q,
                "You added p_j and q_k. Multiply out (p . e)(q . t): each e_j t_k comes with p_j times q_k.",
            ),
            (
                lambda w, p, q: diag(w) + (outer(p, q) + outer(q, p)) / 2,
                "You made W symmetric. It need not be: p goes with the film, q with the target.",
            ),
            (lambda w, p, q: diag(w) * outer(p, q), "The two parts are added; you multiplied them."),
            (lambda w, p, q: diag(w) @ outer(p, q), "The two parts are added; you multiplied them."),
        ],
    )


def _truth(n: int) -> float:
    """Where the slope of m(2) - m(1) is 0."""
    one, two = (n - 1) ** 0.5, (2 * (n - 2)) ** 0.5
    q = (two * (n - 1) - one * (n - 2)) / (2 * one - two)
    return float(torch.tensor(q, dtype=torch.double).log())


@exercise(
    "attend-5",
    "Try many values of s on a fine grid, and take the one where `together(2, n, s) - together(1, n, s)` is largest.",
    "m(k) = k q / (k q + n - k) with q = exp(s). A grid of 2,000 values from 0 to 10 is fine enough.",
    todo="Complete the function `best(n)`: it returns one number, s.",
    solved="Right. A sharper softmax finds the match and forgets the count.",
    seconds=30,
)
def attend_5(answer):
    grid = torch.linspace(0, 10, 4001, dtype=torch.double)

    def at(name, n):
        q = grid.exp()
        one, two, three = (k * q / (k * q + n - k) for k in (1, 2, 3))
        apart = {
            "ratio": two / one,
            "three": three - two,
            "per film": two / 2 - one,
            "first": one - 1 / n,
            "least": -(two - one),
        }[name]
        return float(grid[apart.argmax()])

    given = {n: call(answer, n) for n in (5, 20, 60, 100)}
    try:
        given = {n: float(s) for n, s in given.items()}
    except (TypeError, ValueError):
        raise Wrong("One number is asked for, the score s.") from None
    truth = {n: _truth(n) for n in given}

    def near(other, within=0.025):
        return all(abs(given[n] - other[n]) <= within for n in given)

    if near(truth):
        return
    e = {n: float(torch.tensor(s).exp()) for n, s in truth.items()}
    for other, text in (
        ({n: at("ratio", n) for n in given}, "You made m(2) / m(1) largest. The difference is asked for."),
        ({n: at("three", n) for n in given}, "That tells two matches from three. One from two is asked for."),
        (
            {n: at("first", n) for n in given},
            "You made m(1) large: the sharpest softmax finds, but cannot count.",
        ),
        (e, "That is exp(s). The score s itself is asked for: take the logarithm."),
        (
            {n: (2 * e[n] / (2 * e[n] + n - 2)) - e[n] / (e[n] + n - 1) for n in given},
            "That is how far apart they get. At which s do they get there?",
        ),
        (
            {n: torch.tensor(float(n)).log().item() for n in given},
            "At s = ln n one match weighs as much as all others together. Is two best told from one there?",
        ),
        (
            {n: torch.tensor(n - 1.0).log().item() for n in given},
            "At s = ln (n - 1) one match has half of the weight. Is two best told from one there? Compare the two.",
        ),
        (
            {n: torch.tensor((n - 2) / 2).log().item() for n in given},
            "There two matches have half of the weight. Is two best told from one there? Compare the two.",
        ),
        (dict.fromkeys(given, truth[20]), "That is right for n = 20. The best s depends on n: use it."),
    ):
        if near(other, 0.05):
            raise Wrong(text)
    if max(given.values()) - min(given.values()) < 1e-3:
        raise Wrong("You say the same s for every n. The best s depends on n: use it.")
    if near(truth, 0.6):
        raise Wrong("Near, but not to within 0.02: make the grid finer, with the exact m(2) - m(1).")
    n = max(given, key=lambda n: abs(given[n] - truth[n]))
    raise Wrong(f"With n = {n} you say s = {given[n]:.2f}; m(2) - m(1) is larger elsewhere. Try a grid of s.")


quiz(
    "attention",
    [
        question(
            "A score is w . [e_i, t] + b, linear in film and target, and a softmax runs over the films. What does the "
            "target do to the weights?",
            ("Nothing", True, "Yes: its part is the same for all films, and cancels."),
            (
                "It makes the fitting films heavier",
                False,
                "For that, film and target must meet in a product or a bend.",
            ),
            ("It makes all films heavier", False, "The weights sum to 1, whatever the target is."),
            ("That depends on the training", False, "It cancels for any weights."),
        ),
        question(
            "Which bug leaves all shapes right, all weights finite, and turns attention into sum pooling?",
            (
                "A softmax over an axis of length 1",
                True,
                "Yes: exp(s) / exp(s) = 1 for every film, and the scores never learn.",
            ),
            (
                "A softmax over the batch",
                False,
                "Its weights depend on the neighbours; only alone is it sum pooling.",
            ),
            ("A padded score of 0", False, "That lets the padding speak, but the films still differ."),
            ("A missing root of d", False, "That makes the softmax sharper, and nothing else."),
        ),
        question(
            "No film of the history fits the target. What can weights from a softmax say about that?",
            ("Nothing: they sum to 1 all the same", True, "Yes. Scores as weights can all be near 0."),
            ("They are all 0", False, "A softmax over at least one film sums to 1."),
            ("They are all equal, always", False, "The least bad film gets the most."),
            ("They are negative", False, "An exponential is positive."),
        ),
        question(
            "What can a bilinear form say that a dot product cannot?",
            (
                "That one order of a pair fits better than the other",
                True,
                "Yes: e W t and t W e differ, unless W is symmetric.",
            ),
            ("That two films are alike", False, "A dot product is large for those."),
            ("That two films are opposites", False, "A dot product is negative for those."),
            ("How many films fit", False, "That is a matter of the softmax, not of the score."),
        ),
        question(
            "Why must the mask act after the softmax, too?",
            (
                "An empty history would get uniform weights, or nan",
                True,
                "Yes: with nothing real to compare, the softmax spreads over the padding.",
            ),
            (
                "Minus infinity is not low enough",
                False,
                "Its exponential is exactly 0, if there is any film at all.",
            ),
            ("So that the weights sum to 1", False, "They do that before."),
            ("For speed", False, "It costs a multiplication more."),
        ),
    ],
)

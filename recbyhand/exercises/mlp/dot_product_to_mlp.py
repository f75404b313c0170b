"""Checks of from dot product to MLP."""

from __future__ import annotations

import torch
from torch import nn

from recbyhand.exercises.engine import Wrong, call, close, exercise, function, one_of_wrong, same, shape
from recbyhand.exercises.quizzes import question, quiz


def _parts(out) -> tuple[torch.Tensor, torch.Tensor]:
    """The (weight, bias) of an answer, as tensors."""
    if not isinstance(out, list | tuple) or len(out) != 2:
        raise Wrong("Return two things, separated by a comma: the weight and the bias.")
    return tuple(torch.as_tensor(part, dtype=torch.float32) for part in out)


def _two_layers(g: torch.Generator, n: int = 3, h: int = 3, k: int = 3) -> tuple[torch.Tensor, ...]:
    return tuple(torch.randn(*size, generator=g) for size in ((h, n), (h,), (k, h), (k,)))


@exercise(
    "mlp-1",
    "Write down what comes out, W₁(W₀x + b₀) + b₁, and multiply out.",
    "What stands before x is the weight; everything else is the bias. The order of the matrices matters.",
    "b₀ passes through the second layer like everything else: it becomes W₁b₀.",
    todo="Complete `collapse(W0, b0, W1, b1)`: it returns a weight and a bias.",
    solved="Two layers, one matrix.",
)
def mlp_1(answer):
    def weight(*args):
        W, b = _parts(call(answer, *args))
        if W.ndim == 1 and b.ndim == 2:
            raise Wrong("The two are exchanged: return the weight first, then the bias.")
        return W

    def bias(*args):
        return _parts(call(answer, *args))[1]

    function(
        weight,
        _two_layers,
        lambda W0, b0, W1, b1: W1 @ W0,
        wrong=[
            (
                lambda W0, b0, W1, b1: W0 @ W1,
                "The order is turned round: W₀ meets x first, so it stands right.",
            ),
            (lambda W0, b0, W1, b1: W1 * W0, "`*` multiplies element by element; `@` is the matrix product."),
            (
                lambda W0, b0, W1, b1: W1 + W0,
                "Layers one after the other multiply; only side by side they add.",
            ),
            (
                lambda W0, b0, W1, b1: (W1 @ W0).T,
                "The weight is transposed: a layer computes W x, with W of shape (outputs, inputs).",
            ),
        ],
        hint="The weight is what stands before x in W₁(W₀x + b₀) + b₁.",
    )
    function(
        bias,
        _two_layers,
        lambda W0, b0, W1, b1: W1 @ b0 + b1,
        wrong=[
            (lambda W0, b0, W1, b1: b0 + b1, "b₀ goes through the second layer too: it arrives as W₁b₀."),
            (lambda W0, b0, W1, b1: W1 @ b0, "The bias of the second layer is missing."),
            (lambda W0, b0, W1, b1: b1, "The bias of the first layer is missing: the second passes it on."),
            (lambda W0, b0, W1, b1: b0 @ W1 + b1, "`b0 @ W1` is W₁ᵀb₀. Write W₁b₀ as `W1 @ b0`."),
        ],
        hint="The bias is what is left of W₁(W₀x + b₀) + b₁ when x = 0.",
    )
    W0, b0, W1, b1 = _two_layers(torch.Generator().manual_seed(1), n=4, h=2, k=3)
    W, b = _parts(call(answer, W0, b0, W1, b1))
    shape(W, (3, 4), "k, n")
    close(b, W1 @ b0 + b1)


def _masked(g: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, float, bool]:
    p = 0.1 + 0.3 * torch.rand((), generator=g).item()  # not one half, where p and 1 - p are the same
    return torch.randn(8, generator=g), (torch.rand(8, generator=g) >= p).float(), p, True


@exercise(
    "mlp-2",
    "Which share of the values is kept, if p is dropped?",
    "Dividing by the share that is kept makes the average over all masks equal to x.",
    todo="Complete `drop(x, m, p, training)`: it returns a tensor of the shape of x.",
    solved="Scaled while training, nothing to do while predicting.",
)
def mlp_2(answer):
    function(
        answer,
        _masked,
        lambda x, m, p, training: m * x / (1 - p),
        wrong=[
            (
                lambda x, m, p, t: m * x,
                "Zeros only: on average the next layer gets too little. Scale the rest up.",
            ),
            (lambda x, m, p, t: m * x * (1 - p), "That shrinks what is kept a second time. Divide by 1 - p."),
            (lambda x, m, p, t: m * x / p, "p is the share dropped; divide by the share that is kept."),
            (
                lambda x, m, p, t: (1 - m) * x / (1 - p),
                "m is 1 where a value is kept; you dropped the others.",
            ),
            (lambda x, m, p, t: x, "While training, values are dropped: use the mask."),
            (
                lambda x, m, p, t: m * x / m.mean(),
                "You divide by the share that this mask happens to keep. Divide by the share expected, 1 - p.",
            ),
        ],
        hint="Multiply x by the mask that is given (draw no other one), and divide by the share that is kept.",
    )
    x, m, p, _ = _masked(torch.Generator().manual_seed(7))
    out = call(answer, x, m, p, False)
    one_of_wrong(
        out,
        [
            (m * x / (1 - p), "While not training nothing is dropped: look at `training`."),
            (
                (1 - p) * x,
                "Scaling while predicting belongs to the other kind of dropout. Here training has done it already.",
            ),
            (x / (1 - p), "While predicting, the values pass unchanged: no mask, no scaling."),
        ],
    )
    close(out, x, hint="While not training, x comes out as it went in.")


@exercise(
    "mlp-3",
    "max(u, v) is v, plus what u has more than v, if it has more.",
    "A number passes through ReLU unharmed if two units share the work: v = ReLU(v) - ReLU(-v).",
    "Three hidden units: u - v, v, and -v.",
    todo="Replace the `...` by W₀ (h, 2), b₀ (h), w₁ (h) and the number b₁.",
    solved="Minimum, distance, median: whatever is made of straight pieces, ReLU can build.",
)
def mlp_3(answer):
    if not isinstance(answer, list | tuple) or len(answer) != 4:
        raise Wrong("Give four things: W₀, b₀, w₁ and b₁.")
    W0, b0, w1, b1 = (torch.as_tensor(part, dtype=torch.float32) for part in answer)
    if W0.ndim != 2 or W0.shape[1] != 2:
        raise Wrong(
            f"W₀ has one row per hidden unit and two columns, for u and v; yours is {tuple(W0.shape)}."
        )
    h = len(W0)
    if h > 3:
        raise Wrong(f"You use {h} hidden units; three are enough.")
    shape(b0, (h,), "h")
    w1, b1 = w1.reshape(-1), b1.reshape(-1)  # (1, h) and (1,) will do as well
    shape(w1, (h,), "h")

    def network(pairs):
        return (pairs @ W0.T + b0).clamp(min=0) @ w1 + b1  # (200,)

    pairs = 3 * torch.randn(200, 2, generator=torch.Generator().manual_seed(0))  # (200, 2)
    out, (u, v) = network(pairs), pairs.T
    truth = torch.maximum(u, v)
    if same(out, truth, atol=1e-4):
        if same(network(1e4 * pairs), 1e4 * truth, atol=1):
            return
        raise Wrong(
            "Right for small numbers only: a bias carries them past ReLU's bend, until one is large and negative. "
            "Use two units for a number that must pass."
        )
    one_of_wrong(
        out,
        [
            (
                torch.minimum(u, v),
                "That is the smaller one: mind the sign of the unit that holds the difference.",
            ),
            ((u - v).abs(), "That is the distance |u - v|. The larger one is v plus ReLU(u - v)."),
            ((u - v).clamp(min=0), "That is how much u has more than v. Now add v."),
            (2 * truth, "Twice too large: u + v + |u - v| is two times the maximum."),
            (u + v, "That is the sum; something must ask which one is larger."),
            ((u + v) / 2, "That is the mean. The larger one lies half of |u - v| above it."),
            ((u - v).abs() / 2, "That is how far the larger one lies above the mean. Now add the mean."),
            (u.clamp(min=0) + v.clamp(min=0), "Each unit sees one number only: no unit compares u with v."),
        ],
        atol=1e-4,
    )
    positive = (u > 0) & (v > 0)
    if same(out[positive], truth[positive], atol=1e-4):
        raise Wrong(
            "Right while u and v are positive. A negative number does not pass one ReLU: use two units for it."
        )
    raise Wrong(f"Not yet: for u = {u[0]:.2f}, v = {v[0]:.2f} your network says {out[0]:.2f}.")


@exercise(
    "mlp-4",
    "The last thing in `forward` is a linear layer, and then the choice of its only column.",
    "Order: hidden layer, activation, dropout, last layer. Nothing comes after the last layer.",
    "`nn.Dropout(0.5)` is a module: it knows whether the model is training.",
    todo="Complete the class `Head`: two layers in `__init__`, logits of shape (B,) from `forward`.",
    solved="It passes all the tests of the lesson.",
)
def mlp_4(answer):
    if not isinstance(answer, type) and isinstance(answer, nn.Module):
        raise Wrong("Give the class itself, without brackets: the check builds it with n_in = 6.")
    head = call(answer, 6)
    if not isinstance(head, nn.Module):
        raise Wrong("`Head(n_in)` must give a module: write `class Head(nn.Module)`.")
    call(head, torch.randn(5, 6))  # an untouched stub ends here
    last, hidden = _head_layers(head)
    if any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in head.modules()):
        raise Wrong("A batch normalisation is in there. Asked are a hidden layer, an activation and dropout.")
    with torch.no_grad():
        for layer in (hidden, last):
            layer.weight.normal_()
            layer.bias is None or layer.bias.normal_()
        _answers_of(head.eval())
        last.weight *= 1e4
        loud = call(head, 5 * torch.randn(300, 6))
        if loud.min() >= 0 and loud.max() <= 1:
            raise Wrong(
                "Your output stays between 0 and 1: a probability. Return the logit, without a sigmoid."
            )
        if loud.abs().max() <= 1:
            raise Wrong("Your output stays between -1 and 1: there is a tanh after the last layer.")
        if loud.min() >= 0:
            raise Wrong("Your output is never negative: an activation stands after the last layer.")
        last.weight /= 1e4
        _dropout_of(head, last, hidden)


def _head_layers(head: nn.Module) -> tuple[nn.Linear, nn.Linear]:
    linear = [m for m in head.modules() if isinstance(m, nn.Linear)]
    last = [layer for layer in linear if layer.out_features == 1]
    hidden = [layer for layer in linear if (layer.in_features, layer.out_features) == (6, 16)]
    if not linear:
        raise Wrong("There is no nn.Linear in your module: make the layers in `__init__`.")
    if len(last) != 1:
        raise Wrong("One layer, the last, has a single output: the logit.")
    if len(hidden) != 1 or len(linear) != 2:
        raise Wrong("Two linear layers are asked for: from n_in to 16, and from 16 to 1.")
    return last[0], hidden[0]


def _answers_of(head: nn.Module) -> None:
    """Shapes, a batch of one, `eval()`, and an activation that bends."""
    x = torch.randn(5, 6)
    if tuple(call(head, x).shape) == (5, 1):
        raise Wrong("You return (B, 1). Choose the only column: `[:, 0]`.")
    shape(call(head, x), (5,), "B")
    if tuple(call(head, x[:1]).shape) != (1,):
        raise Wrong("A batch of one loses its axis: `squeeze()` takes every axis of size 1. Use `[:, 0]`.")
    if not torch.equal(call(head, x), call(head, x)):
        raise Wrong("After `eval()` two calls differ: something is dropped without asking `self.training`.")
    a, b = 3 * torch.randn(2, 50, 6)
    if torch.allclose(call(head, (a + b) / 2), (call(head, a) + call(head, b)) / 2, atol=1e-3):
        raise Wrong("Your head is linear: without an activation between them, two layers are one.")


def _dropout_of(head: nn.Module, last: nn.Linear, hidden: nn.Linear) -> None:
    """While training, hidden values are dropped: about half of them, no inputs and no answers."""
    seen, entered = [], []
    hooks = [
        layer.register_forward_pre_hook(lambda module, given, into=into: into.append(given[0].clone()))
        for layer, into in ((last, seen), (hidden, entered))
    ]
    x = torch.randn(1, 6).expand(2000, 6)  # one example, many masks
    quiet = call(head.eval(), x[:1])
    out = call(head.train(), x)
    for hook in hooks:
        hook.remove()
    if len(entered) == 2 and not torch.equal(entered[1], x):
        raise Wrong(
            "Inputs are dropped: dropout stands before the hidden layer. Move it behind the activation."
        )
    if len(seen) != 2:
        raise Wrong("Call your last layer once in `forward`, as a module: `self.last(h)`.")
    kept, full = seen[1], seen[0]  # (2000, 16), (1, 16) what reached the last layer
    untouched = torch.equal(kept, full.expand_as(kept))
    if (out == 0).float().mean() > 0.2 or (untouched and len(out.unique()) > 1):
        raise Wrong(
            "Answers are dropped: dropout stands after the last layer. It belongs on the hidden values."
        )
    if torch.allclose(out, quiet.expand_as(out), atol=1e-5):
        raise Wrong("Nothing is dropped while training: half of the hidden values are to be.")
    alive = full[0].abs() > 1e-6  # (16,) ReLU has switched the others off already
    share = (kept[:, alive].abs() < 1e-6).float().mean()
    if abs(share - 0.5) > 0.05:
        raise Wrong(f"{share:.0%} of the hidden values are dropped; half of them are asked for.")


@exercise(
    "mlp-5",
    "Write all logits at once: (users, out) times (out, films), plus the constant b in every cell.",
    "What is the rank of a table in which all numbers are equal? And of a sum of two tables, at most?",
    todo="Replace the `...` by the highest rank, a whole number.",
    solved="Three from the towers, one from the bias. Layers do not help: the towers meet in a dot product.",
)
def mlp_5(answer):
    one_of_wrong(
        answer,
        [
            (3, "Nearly: the constant b adds a table of equal numbers, and that has a rank too."),
            (16, "16 is the length of the embeddings. What matters is what the towers put out."),
            (32, "32 is the width of the hidden layer; after it come three outputs."),
            (33, "32 is the width of the hidden layer; after it come three outputs."),
            (17, "16 is the length of the embeddings. What matters is what the towers put out."),
            (
                200,
                "A table of 200 columns could have rank 200, but this one is a product of two thin tables.",
            ),
            (1, "The bias alone has rank 1. The towers put out three numbers each."),
            (
                1000,
                "As many users as there are do not help: (1000, 3) times (3, 200) has no more rank than its middle.",
            ),
            (
                6,
                "The towers' outputs are multiplied, not put side by side: 3 and 3 make rank 3. Then comes b.",
            ),
            (5, "One for b, and then? Count the outputs of a tower."),
        ],
    )
    close(answer, 4)


quiz(
    "mlp",
    [
        question(
            "Three linear layers without activations: 16 to 64, 64 to 2, 2 to 16. What can they do?",
            (
                "less than one layer from 16 to 16",
                True,
                "Yes: they are one matrix, and since all passes through two numbers, its rank is at most 2.",
            ),
            ("as much as one layer from 16 to 16", False, "The narrow middle costs rank: 2 instead of 16."),
            ("more: there are more weights", False, "More weights, but their product is one 16 × 16 matrix."),
        ),
        question(
            "The towers of a two-tower model are made deeper and wider; `out` stays 8. What does not change?",
            (
                "the rank of its table of scores, beyond 8 and the bias",
                True,
                "Yes: the sides meet in a dot product of 8 numbers, whatever came before.",
            ),
            ("what a tower can compute from a vector", False, "That does grow with depth and width."),
            ("its AUC", False, "It may go either way: a better tower may find better vectors."),
        ),
        question(
            "p = 0.2, and a hidden value is 3. What may dropout make of it while training?",
            (
                "0 or 3",
                False,
                "Then the average would be 2.4, and prediction would meet larger sums than training.",
            ),
            ("0 or 3.75", True, "Yes: 3 / 0.8, four times out of five. The average is 3."),
            ("0 or 15", False, "You divided by p; the share that is kept is 0.8."),
            ("2.4", False, "Dropout draws; it does not shrink everything by a fixed factor."),
        ),
        question(
            "A model's log loss never falls below 0.313, its AUC is fine. Where do you look first?",
            (
                "at the last layer: a tanh before the sigmoid",
                True,
                "Yes. Then p ≤ 0.731, and −ln 0.731 = 0.313. The order of the scores is untouched.",
            ),
            ("at the learning rate", False, "That could end anywhere, not at ln(1 + 1/e)."),
            ("at the embeddings", False, "Embeddings do not bound the loss at a number that depends on e."),
        ),
        question(
            "Concatenation beats two towers on one data set: the interval of the difference is 0.001 to 0.009. "
            "What have you shown?",
            (
                "concatenation is better",
                False,
                "On these data, with this budget. Another data set may say otherwise.",
            ),
            (
                "it is better on these data, with this budget",
                True,
                "Yes. And for retrieval you may want the two towers all the same.",
            ),
            ("nothing, the difference is small", False, "It is small, but the interval leaves out zero."),
        ),
    ],
)

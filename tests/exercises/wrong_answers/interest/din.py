"""Wrong answers to the exercises of *DIN*, and a part of the hint that each must get."""

import copy

import torch

E = torch.tensor([[1.0, 2.0], [3.0, 0.0], [0.0, -1.0]])
A = torch.tensor([0.5, -1.0, 2.0])


def scores(e, t, W_e, W_t, W_x, b, w, c, product=True, relu=True):
    s = torch.stack([W_e @ row + W_t @ t + (W_x @ (row * t) if product else 0) + b for row in e])
    return (s.clamp(min=0) if relu else s) @ w + c


def without_target(e, t, W_e, W_t, W_x, b, w, c):
    return scores(e, t, W_e, 0 * W_t, 0 * W_x, b, w, c)


def twin(weight=True, bias=True, blocks=(0, 2), vectors=False):
    def make(model):
        model, d = copy.deepcopy(model), model.item.width
        with torch.no_grad():
            model.unit.out.weight *= -1 if weight else 1
            model.unit.out.bias *= -1 if bias else 1
            for block in blocks:
                model.mlp[0].weight[:, block * d : (block + 1) * d] *= -1
            if vectors:
                model.mlp[0].weight *= -1
        return model

    return make


def in_place(model):
    copied = twin()(model)
    model.load_state_dict(copied.state_dict())
    return model


def rows_turned(model):
    model = twin(blocks=())(model)
    with torch.no_grad():
        model.mlp[0].weight[: model.item.width] *= -1
    return model


def head_bias_too(model):
    model = twin()(model)
    with torch.no_grad():
        model.mlp[0].bias *= -1
    return model


def difference(e, t, W_e, W_t, W_x, b, w, c):
    s = torch.stack([W_e @ row + W_t @ t + W_x @ (row - t) + b for row in e])
    return s.clamp(min=0) @ w + c


def late_bias(e, t, W_e, W_t, W_x, b, w, c):
    return scores(e, t, W_e, W_t, W_x, 0 * b, w, c) + b @ w


def hits(judge):
    def score(weights, relevant):
        out = [
            judge(r[a.topk(int(r.sum())).indices]) for a, r in zip(weights, relevant, strict=True) if r.any()
        ]
        return torch.stack(out).float().mean()

    return score


def mass(weights, relevant):
    return torch.stack(
        [a[r].sum() / a.sum() for a, r in zip(weights, relevant, strict=True) if r.any()]
    ).mean()


def largest_only(weights, relevant):
    top = weights.argmax(1)
    hit = [float(relevant[i, j]) for i, j in enumerate(top) if relevant[i].any()]
    return sum(hit) / len(hit)


def rows(divide, keep_empty=False, sign=1):
    def score(weights, relevant):
        out = []
        for a, r in zip(sign * weights, relevant, strict=True):
            k = int(r.sum())
            if k:
                out.append(r[a.topk(k).indices].sum() / divide(k, r))
            elif keep_empty:
                out.append(torch.tensor(0.0))
        return torch.stack(out).mean()

    return score


def pooled_share(weights, relevant):
    hits = sum(r[a.topk(int(r.sum())).indices].sum() for a, r in zip(weights, relevant, strict=True))
    return hits / relevant.sum()


def tanh_inside(e, t, W_e, W_t, W_x, b, w, c):
    return torch.tanh(e @ W_e.T + t @ W_t.T + (e * t) @ W_x.T + b) @ w + c


def pairs(weights, relevant):
    """Area under the curve, row by row."""
    out = []
    for a, r in zip(weights.tolist(), relevant.tolist(), strict=True):
        order = [x > y for x, m in zip(a, r, strict=True) for y, n in zip(a, r, strict=True) if m and not n]
        out += [sum(order) / len(order)] if order else []
    return sum(out) / len(out)


def unit_of(e, t, W_e, W_t, W_x, b, w, c):
    return torch.relu(e @ W_e.T + t @ W_t.T + (e * t) @ W_x.T + b) @ w + c


def turned_with_gradients(model):
    model = copy.deepcopy(model)
    model.unit.out.weight.neg_()
    return model


def another_attention(model):
    model = copy.deepcopy(model)
    attention = model.attention
    model.attention = lambda batch: -attention(batch)
    return model


WRONG = [
    ("din-1", "mean", A @ E / 3, "not a mean"),
    ("din-1", "softmax", torch.softmax(A, 0) @ E, "through a softmax"),
    ("din-1", "normalised", A @ E / 1.5, "sum of the weights"),
    ("din-1", "absolute values", [3.5, -1.0], "stays negative"),
    ("din-1", "clamped", [0.5, -1.0], "cut off"),
    ("din-1", "no weights", E.sum(0), "without weights"),
    ("din-1", "not added", A[:, None] * E, "Add them up"),
    ("din-2", "no product", lambda *a: scores(*a, product=False), "with W_x"),
    ("din-2", "no target", without_target, "does not see the target"),
    ("din-2", "no activation", lambda *a: scores(*a, relu=False), "two layers without it"),
    ("din-2", "softmax", lambda *a: scores(*a).softmax(0), "normalised over"),
    ("din-2", "no c", lambda *a: scores(*a[:-1], 0.0), "last c"),
    ("din-2", "no b", lambda *a: scores(*a[:5], 0 * a[5], *a[6:]), "bias b"),
    ("din-2", "difference", difference, "not on the difference"),
    ("din-2", "bias after ReLU", late_bias, "after the ReLU"),
    ("din-2", "matrices swapped", lambda e, t, We, Wt, *a: scores(e, t, Wt, We, *a), "other way round"),
    ("din-3", "sign", lambda We, Wt, Wd, Wx: (We + Wd, Wt + Wd, Wx), "MINUS"),
    ("din-3", "half lost", lambda We, Wt, Wd, Wx: (We + Wd, Wt, Wx), "target's half"),
    ("din-3", "in the product", lambda We, Wt, Wd, Wx: (We, Wt, Wx + Wd), "no product"),
    ("din-3", "order", lambda We, Wt, Wd, Wx: (Wt - Wd, We + Wd, Wx), "wrong order"),
    ("din-4", "unchanged", copy.deepcopy, "same as before"),
    ("din-4", "bias forgotten", twin(bias=False), "has a bias"),
    ("din-4", "head forgotten", twin(blocks=()), "does not know"),
    ("din-4", "x only", twin(blocks=(0,)), "third block"),
    ("din-4", "product only", twin(blocks=(2,)), "first block"),
    ("din-4", "not a copy", in_place, "Copy it first"),
    ("din-4", "c only", twin(weight=False), "Only c has"),
    ("din-4", "rows", rows_turned, "turned rows"),
    ("din-4", "bias of the head", head_bias_too, "reads nothing"),
    ("din-4", "t too", twin(blocks=(0, 1, 2)), "negated"),
    ("din-5", "largest only", largest_only, "largest weight only"),
    ("din-5", "empty rows as 0", rows(lambda k, r: k, keep_empty=True), "count as 0"),
    ("din-5", "one average", pooled_share, "all hits by all"),
    ("din-5", "by length", rows(lambda k, r: len(r)), "length of the history"),
    ("din-5", "any", hits(torch.any), "*any* match"),
    ("din-5", "all", hits(torch.all), "*all* matches"),
    ("din-5", "mass of weight", mass, "how much weight"),
    ("din-5", "smallest", rows(lambda k, r: k, sign=-1), "smallest"),
    ("din-1", "weights backwards", torch.tensor([2.0, -1.0, 0.5]) @ E, "wrong order"),
    ("din-1", "minus lost", [-2.5, 3.0], "its minus is lost"),
    ("din-2", "tanh", tanh_inside, "not tanh"),
    ("din-2", "w left out", lambda *a: scores(*a[:6], torch.ones(5), a[7]), "just added up"),
    (
        "din-2",
        "sum",
        lambda e, t, We, Wt, Wx, *a: scores(e, t, We + Wx, Wt + Wx, 0 * Wx, *a),
        "not on the sum",
    ),
    ("din-3", "halves", lambda We, Wt, Wd, Wx: (We + 0.5 * Wd, Wt - 0.5 * Wd, Wx), "No halves"),
    ("din-3", "multiplied", lambda We, Wt, Wd, Wx: (We * Wd, -Wt * Wd, Wx), "You multiplied"),
    ("din-4", "user too", twin(blocks=(0, 2, 3)), "user's columns"),
    ("din-5", "sizes", lambda w, r: rows(lambda k, r: k)(w.abs(), r), "largest |a|"),
    ("din-5", "pairs", pairs, "share of pairs"),
    ("din-2", "axis of one lost", lambda *a: unit_of(*a).squeeze(), "keeps its axis"),
    ("din-4", "weights changed with gradients on", turned_with_gradients, "torch.no_grad"),
    ("din-4", "attention exchanged", another_attention, "same as before"),
]

"""Memory or rule? Writes benchmarks/results/fm/wide_and_deep.csv, the search behind the first world of *Wide & Deep*.

The lesson's own world: forty audiences, forty themes, a rule, exceptions to it, and pairs that training never shows.
Each model gets the same six settings, chosen by validation AUC, and eight epochs; the chosen one is run from three
initial weights. Rivals of Wide & Deep come twice: with its vectors, and with vectors of so many numbers that they have
as many parameters. Two run "long", for up to 40 epochs; `long` measures these alone.
`decays` adds weight decays of 0.1 and 0.3 at the step size that was chosen, lets validation choose again, and runs
what is chosen from five initial weights.
"""

from __future__ import annotations

import itertools
import sys
from functools import partial
from types import SimpleNamespace

import pandas as pd
import torch

import recbyhand as rbh
from benchmarks._recording import keep, search, top_up, trained

N, SEEDS, HOW = 40, 3, {"epochs": 8, "batch_size": 512}
SETTINGS = list(itertools.product((0.003, 0.01, 0.03), (0.01, 1.0)))  # step size, weight decay
CROSS, M = [("user", "item")], rbh.models
MODELS = {
    "Poly2": lambda s: M.Poly2(s, pairs=CROSS),
    "FM, d = 2": lambda s: M.FM(s, dim=2),
    "FM, d = 16": lambda s: M.FM(s, dim=16),
    "network, d = 8": lambda s: M.FeatureMLP(s, dim=8, hidden=(32,)),
    "network, d = 20": lambda s: M.FeatureMLP(s, dim=20, hidden=(32,)),
    "WideDeep, d = 8": lambda s: M.WideDeep(s, dim=8, hidden=(32,), crosses=CROSS),
    "no cross, d = 8": lambda s: M.WideDeep(s, dim=8, hidden=(32,), crosses=[]),
    "no cross, d = 20": lambda s: M.WideDeep(s, dim=20, hidden=(32,), crosses=[]),
    "WideDeep, d = 8, long": lambda s: M.WideDeep(s, dim=8, hidden=(32,), crosses=CROSS),
    "no cross, d = 20, long": lambda s: M.WideDeep(s, dim=20, hidden=(32,), crosses=[]),
    "DeepFM, d = 8": lambda s: M.DeepFM(s, dim=8, hidden=(32,)),
    "DeepFM, d = 20": lambda s: M.DeepFM(s, dim=20, hidden=(32,)),
}


LONG = [name for name in MODELS if name.endswith("long")]  # 40 epochs, or until validation stops improving


def world() -> tuple[SimpleNamespace, dict[str, torch.Tensor]]:
    """The lesson's task, and which of the (N, N) pairs are exceptions, and hidden."""
    g = torch.Generator().manual_seed(0)
    sorts = torch.tensor([-1.0, 1.0]).repeat(N // 2)  # (N,)
    of_audience, of_theme = (sorts[torch.randperm(N, generator=g)] for _ in range(2))
    rule = 2 * torch.outer(of_audience, of_theme)  # (N, N) logits
    draw = torch.rand(N, N, generator=g)
    exception, hidden = draw < 0.10, draw > 0.85
    truth = torch.where(exception, -rule, rule)  # (N, N) logits

    def rows(pairs: torch.Tensor, times: int) -> pd.DataFrame:
        pairs = pairs.nonzero().repeat(times, 1)  # (rows, 2)
        p = torch.sigmoid(truth[pairs[:, 0], pairs[:, 1]])
        stars = 1 + 4 * torch.bernoulli(p, generator=g)
        return pd.DataFrame({"user": pairs[:, 0], "item": pairs[:, 1], "rating": stars})

    anywhere = torch.ones(N, N, dtype=torch.bool)
    parts = [rows(~hidden, 15), rows(anywhere, 2), rows(anywhere, 6)]
    whole = rbh.data.ctr(rbh.data.from_frames(pd.concat(parts, ignore_index=True)), valid=0, test=0)
    train, valid, test = map(whole.train.subset, whole.train.time.argsort().split([len(p) for p in parts]))
    task = SimpleNamespace(train=train, valid=valid, test=test, schema=whole.schema)
    return task, {"exception_auc": exception, "hidden_auc": hidden}


def run(name: str, task, kinds: dict, lr: float, weight_decay: float, seed: int) -> dict:
    how = HOW | ({"epochs": 40, "patience": 10} if name in LONG else {})
    row, model = trained(lambda: MODELS[name](task.schema), task, lr, weight_decay, seed, **how)
    at, z = (task.test.user - 2, task.test.item - 2), rbh.metrics.predict(model, task.test)  # ids start at 2
    of_kind = {
        kind: rbh.metrics.auc(task.test.label[pairs[at]], z[pairs[at]]) for kind, pairs in kinds.items()
    }
    return row | {kind: round(auc, 5) for kind, auc in of_kind.items()}


def main() -> None:
    (task, kinds), rows = world(), []
    if sys.argv[1:] == ["decays"]:
        top_up(
            "fm/wide_and_deep",
            lambda name, *how: run(name, task, kinds, *how),
            by=("model",),
            decays=(0.1, 0.3),
        )
        return
    if sys.argv[1:] == ["long"]:
        for name in LONG:
            rows += [
                {"model": name} | row for row in search(partial(run, name, task, kinds), SETTINGS, SEEDS)
            ]
        keep("fm/wide_and_deep", rows, by=("model",))
        return
    for name in MODELS:
        rows += [{"model": name} | row for row in search(partial(run, name, task, kinds), SETTINGS, SEEDS)]
    keep("fm/wide_and_deep", rows)


if __name__ == "__main__":
    main()

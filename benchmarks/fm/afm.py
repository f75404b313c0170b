"""Do the weights of AFM pay, and do they say what matters? Writes benchmarks/results/fm/afm.csv for the lesson *AFM*.

AFM and the same model with equal weights get the same six settings, further step sizes where the best lies at their
edge, chosen by validation AUC, and six epochs a run, as in the lesson; FM brings its setting and its five runs from
benchmarks/fm/crosses.py, which had eight to choose from. The chosen setting is run from three initial weights. For
every run of AFM the mean weight of each pair is held against its permutation importance: the rank correlation of the
two, and the pair that each puts first.
`seeds` adds weight decays of 0.1 and 0.3 at the step size that was chosen, lets validation choose again, and runs what
is chosen from five initial weights.
"""

from __future__ import annotations

import itertools
import sys
from functools import partial

import numpy as np
import pandas as pd
import torch

import recbyhand as rbh
from benchmarks._recording import keep, search, task_on, top_up, trained

DATA, SEEDS, EPOCHS = {"crosses": 8, "100k": 16}, 3, 6  # {data set: length of the vectors}
SETTINGS = list(itertools.product((0.01, 0.02, 0.05), (0.01, 1.0)))  # step size, weight decay


class EqualWeights(rbh.models.AFM):
    """AFM that weighs all pairs alike: what is left when the attention learns nothing."""

    def weights(self, e, ids):
        real = self.products(self.embedding.present(ids)[..., None].float())[..., 0]  # (B, P)
        return real / real.sum(1, keepdim=True).clamp(min=1)  # (B, P)


MODELS = {"AFM": rbh.models.AFM, "equal weights": EqualWeights}


def pair_importance(model, batch, repeats: int = 5) -> np.ndarray:
    """(P,) loss of AUC when the term of one pair comes from another row; mean over shuffles."""
    g = torch.Generator().manual_seed(0)
    with torch.no_grad():
        e, a = model.products(model.embedding(batch.ids())), model.attention(batch)  # (B, P, d), (B, P)
        term, z = a * (e @ model.p), model(batch)  # (B, P), (B,)
    whole = rbh.metrics.auc(batch.label, z)
    fall = torch.zeros(repeats, term.shape[1])
    for r, pair in itertools.product(range(repeats), range(term.shape[1])):
        other = torch.randperm(len(batch), generator=g)
        fall[r, pair] = whole - rbh.metrics.auc(batch.label, z + (term[other] - term)[:, pair])
    return fall.mean(0).numpy()


def says(model, task) -> dict[str, object]:
    """How the mean weights of the pairs agree with what the pairs are worth, on the test rows."""
    batch = task.test[:]
    with torch.no_grad():
        weight = model.attention(batch).mean(0).numpy()
    worth = pair_importance(model, batch)
    return {
        "rank_correlation": round(pd.Series(weight).corr(pd.Series(worth), method="spearman"), 3),
        "largest_weight": " x ".join(model.pairs[int(weight.argmax())]),
        "most_important": " x ".join(model.pairs[int(worth.argmax())]),
    }


def run(data: str, name: str, task, lr: float, weight_decay: float, seed: int) -> dict:
    def make():
        return MODELS[name](task.schema, dim=DATA[data], attention_dim=DATA[data])

    row, model = trained(make, task, lr, weight_decay, seed, epochs=EPOCHS)
    return row | (says(model, task) if name == "AFM" else {})


def measure(data: str) -> list[dict]:
    task, rows = task_on(data), []
    for name in MODELS:
        found = search(partial(run, data, name, task), SETTINGS, SEEDS)
        rows += [{"data": data, "model": name} | row for row in found]
    return rows


def main() -> None:
    torch.set_num_threads(1)
    if sys.argv[1:] == ["seeds"]:
        tasks = {data: task_on(data) for data in DATA}
        top_up("fm/afm", lambda data, name, *how: run(data, name, tasks[data], *how), decays=(0.1, 0.3))
        return
    for data in DATA:
        keep("fm/afm", measure(data), "recbyhand/models/afm.py", "recbyhand/layers")


if __name__ == "__main__":
    main()

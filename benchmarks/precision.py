"""Which part of a step gets cheaper in 16 bits: writes benchmarks/results/precision.csv.

    python -m benchmarks.precision [turns] [models]      such as: 20 DIN,BST

Models and batch of `benchmarks.compiled`, forward and backward as `fit` computes them, in float32 and in bfloat16. As
in `benchmarks.roofline` every call is written down, and the calls of one kind are replayed alone, in turns: `products`
the matrix products, `casts` the changes from one precision to the other, `gathers` the looking up of rows, `passes`
all other calls. Processor time in ms on one thread, the smallest of all turns. The processor must have instructions for
bfloat16 (such as avx512_bf16), or products do not get cheaper.
"""

from __future__ import annotations

import sys

import torch

import recbyhand as rbh
from benchmarks._recording import MACHINE, keep
from benchmarks.compiled import ITEMS, MODELS, USERS, B
from benchmarks.roofline import GATHERS, PRODUCTS, Written, replay, smallest
from recbyhand.training.faster import PRECISIONS, faster

CASTS = {"_to_copy"}


def contestants(make, schema, batch, precision: str) -> dict:
    """Forward and backward, and each kind of call alone, as functions."""
    rbh.seed(0)
    model = make(schema)
    compute = faster(rbh.training.losses, False, precision, torch.device("cpu"))
    draws = torch.Generator().manual_seed(0)

    def learn():
        terms, _ = compute(model, batch, draws)
        model.zero_grad()
        sum(terms.values()).backward()

    learn()
    with Written() as written:
        learn()
    kinds = {"products": PRODUCTS, "casts": CASTS, "gathers": GATHERS}
    calls = {kind: written.kind(names) for kind, names in kinds.items()}
    calls["passes"] = written.kind(PRODUCTS | CASTS | GATHERS, others=True)
    return {"step": learn} | {kind: lambda calls=some: replay(calls) for kind, some in calls.items()}


def main() -> None:
    told = dict(enumerate(sys.argv[1:]))
    turns = int(told.get(0, 30))
    torch.set_num_threads(1)
    schema = rbh.data.toy_schema(USERS, ITEMS, history=20)
    batch, rows = rbh.data.toy(B, schema), []
    for name in told.get(1, ",".join(MODELS)).split(","):
        acts = {
            (precision, kind): act
            for precision in PRECISIONS
            for kind, act in contestants(MODELS[name], schema, batch, precision).items()
        }
        best = smallest(acts, turns)
        for precision in PRECISIONS:
            spent = {kind: round(1000 * s, 2) for (p, kind), s in best.items() if p == precision}
            rows.append({"model": name, "precision": precision} | spent | {"turns": turns})
            print(rows[-1], flush=True)
    keep("precision", [row | MACHINE for row in rows], by=("model",))


if __name__ == "__main__":
    main()

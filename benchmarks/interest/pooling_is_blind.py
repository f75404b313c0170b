"""How far does pooling get? Writes benchmarks/results/interest/pooling_is_blind.csv for the lesson *Pooling is blind*.

Every head gets the same three settings, and further step sizes where its best lies at their edge, chosen by validation
AUC, one seed, six epochs, as in the lesson.
`python -m benchmarks.interest.pooling_is_blind 100k` measures one data set only and keeps the other rows.
"""

from __future__ import annotations

import sys
from functools import partial

import recbyhand as rbh
from benchmarks._recording import keep, search, task_on, trained

SETTINGS = [(0.005, 0.01), (0.02, 0.01), (0.02, 0.3)]  # step size, weight decay
MODELS = {
    "FM": lambda schema: rbh.models.FM(schema, dim=16),
    "[x, t], linear": lambda schema: rbh.models.PooledSequence(schema, head="concat", hidden=()),
    "[x, t], hidden layer": lambda schema: rbh.models.PooledSequence(schema, head="concat"),
    "[x, t, x*t], linear": lambda schema: rbh.models.PooledSequence(schema, hidden=()),
    "[x, t, x*t], hidden layer": lambda schema: rbh.models.PooledSequence(schema),
    "[x, t, x*t], hidden layer, d = 48": lambda schema: rbh.models.PooledSequence(schema, dim=48),
}


def run(data: str, name: str, task, lr: float, weight_decay: float, seed: int) -> dict:
    def make():
        return MODELS[name](task.schema)

    return trained(make, task, lr, weight_decay, seed, epochs=6)[0]


def measure(data: str) -> list[dict]:
    task, rows = task_on(data), []
    for name in MODELS:
        found = search(partial(run, data, name, task), SETTINGS)
        rows += [{"data": data, "model": name} | row for row in found]
    return rows


def main() -> None:
    for data in sys.argv[1:] or ("interests", "100k"):
        keep("interest/pooling_is_blind", measure(data))


if __name__ == "__main__":
    main()

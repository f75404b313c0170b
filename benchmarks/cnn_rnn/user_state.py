"""Is a state worth more than a mean? Writes benchmarks/results/cnn_rnn/user_state.csv for *The state as a user vector*.

Every model gets the same six settings, further step sizes where its best lies at their edge, chosen by validation AUC,
and the same number of epochs; the chosen setting is then run from three initial weights. `python -m
benchmarks.cnn_rnn.user_state 100k` measures one data set and keeps the others; `seeds` runs
the chosen settings from five.
"""

from __future__ import annotations

import itertools
import sys
from functools import partial

import recbyhand as rbh
from benchmarks._recording import keep, search, task_on, top_up, trained

EPOCHS, SEEDS = {"order": 6, "100k": 8}, 3
SETTINGS = list(itertools.product((0.005, 0.02), (0.1, 0.5, 1.0)))  # step size, weight decay
MODELS = {
    "mean of the history": lambda schema: rbh.models.PooledSequence(schema, dim=16),
    "matrix factorisation": lambda schema: rbh.models.MatrixFactorization(schema, dim=16),
    "RNN": lambda schema: rbh.models.RNNFactorization(schema, dim=16, cell="rnn"),
    "LSTM": lambda schema: rbh.models.RNNFactorization(schema, dim=16, cell="lstm"),
    "GRU": lambda schema: rbh.models.RNNFactorization(schema, dim=16, cell="gru"),
}


def run(data: str, name: str, task, lr: float, weight_decay: float, seed: int) -> dict:
    def make():
        return MODELS[name](task.schema)

    return trained(make, task, lr, weight_decay, seed, epochs=EPOCHS[data], patience=2)[0]


def measure(data: str) -> list[dict]:
    task, rows = task_on(data, users=500), []
    for name in MODELS:
        found = search(partial(run, data, name, task), SETTINGS, SEEDS)
        rows += [{"data": data, "model": name} | row for row in found]
    return rows


def main() -> None:
    if sys.argv[1:] == ["seeds"]:
        tasks = {data: task_on(data, users=500) for data in EPOCHS}
        top_up("cnn_rnn/user_state", lambda data, name, *how: run(data, name, tasks[data], *how))
        return
    for data in sys.argv[1:] or EPOCHS:
        keep("cnn_rnn/user_state", measure(data))


if __name__ == "__main__":
    main()

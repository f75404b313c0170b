"""Over fields, over dimensions, or not at all? Writes benchmarks/results/cnn_rnn/convolution.csv for its lesson.

Each convolution gets six settings, chosen by validation AUC, and six epochs a run; the chosen one is run from three
initial weights. (A larger step than the largest was tried: ahead from one start, it fails from the next.) The network
without convolution and FM had eight settings in benchmarks/fm/crosses.py, and stand there.
`seeds` adds weight decays of 0.1 and 0.3 at the step size that was chosen, lets validation choose again, and runs what
is chosen from five initial weights; `orders` measures what the order of the columns is worth.
"""

from __future__ import annotations

import itertools
import sys
from functools import partial

import recbyhand as rbh
from benchmarks._recording import keep, search, task_on, top_up, trained

DATA, SEEDS, EPOCHS = {"crosses": 8, "100k": 16}, 3, 6  # {data set: length of the vectors}
SETTINGS = list(itertools.product((0.005, 0.01, 0.02), (0.01, 1.0)))  # step size, weight decay


class EmbeddingCNN(rbh.models.Recommender):
    """The source's layout: fields are the channels, the window slides over dimensions, one channel comes out."""

    def __init__(self, schema, *, dim: int = 16):
        super().__init__()
        self.embed = rbh.layers.FeatureEmbedding(schema.fields, dim)
        self.conv = rbh.layers.Conv1d(len(schema.fields), 1, 3)
        self.head = rbh.layers.MLP([dim - 2, 16, 1])

    def forward(self, batch):
        v = self.embed(batch.ids())  # (B, F, d)
        y = self.conv(v)[:, 0].relu()  # (B, d - 2)
        return self.head(y)[:, 0]  # (B,)


MODELS = {
    "CNN over fields": lambda schema, dim: rbh.models.FeatureCNN(schema, dim=dim),
    "CNN over dims": lambda schema, dim: rbh.models.FeatureCNN(schema, dim=dim, over="dims"),
    "source's layout": lambda schema, dim: EmbeddingCNN(schema, dim=dim),
}


def run(data: str, name: str, task, lr: float, weight_decay: float, seed: int) -> dict:
    def make():
        return MODELS[name](task.schema, DATA[data])

    return trained(make, task, lr, weight_decay, seed, epochs=EPOCHS)[0]


def measure(data: str) -> list[dict]:
    task, rows = task_on(data), []
    for name in MODELS:
        found = search(partial(run, data, name, task), SETTINGS, SEEDS, further=0)
        rows += [{"data": data, "model": name} | row for row in found]
    return rows


class Ordered(rbh.models.FeatureCNN):
    """Over fields, written down in an order of our own: `columns`."""

    def forward(self, batch):
        v = self.embed(batch.ids())[:, self.columns]  # (B, F, d)
        y = self.conv(v.transpose(1, 2)).relu()  # (B, channels, F - K + 1)
        return self.head(y.flatten(1)).squeeze(-1)  # (B,)


NEAR, FAR = "user item group kind age decade", "group user item age decade kind"
ORDERS = {  # the columns in order, width of the window, channels, width of the head
    "side by side": (NEAR, 2, 16, 16),
    "far apart": (FAR, 2, 16, 16),
    "far apart, wide window": (FAR, 6, 16, 16),
    "far apart, wide window, 80 channels": (FAR, 6, 80, 16),
    "far apart, head of 64": (FAR, 2, 16, 64),
}


def run_order(name: str, task, lr: float, weight_decay: float, seed: int) -> dict:
    columns, kernel, channels, hidden = ORDERS[name]

    def make():
        model = Ordered(task.schema, dim=8, kernel=kernel, channels=channels)
        model.head = rbh.layers.MLP([model.head[0].in_features, hidden, 1])
        names = [field.name for field in task.schema.fields]
        model.columns = [names.index(column) for column in columns.split()]
        return model

    return trained(make, task, lr, weight_decay, seed, epochs=EPOCHS)[0]


def measure_orders() -> list[dict]:
    """Two columns that decide, side by side or apart: three decays, chosen by validation, three initial weights."""
    task, rows, settings = task_on("crosses"), [], [(0.02, decay) for decay in (0.01, 0.1, 1.0)]
    for name in ORDERS:
        found = search(partial(run_order, name, task), settings, SEEDS)
        rows += [{"data": "order of fields", "model": name} | row for row in found]
    return rows


def main() -> None:
    if sys.argv[1:] == ["seeds"]:
        tasks = {data: task_on(data) for data in DATA}

        def again(data: str, name: str, *how) -> dict:
            return (
                run(data, name, tasks[data], *how)
                if data in DATA
                else run_order(name, tasks["crosses"], *how)
            )

        top_up("cnn_rnn/convolution", again, decays=(0.1, 0.3))
        return
    if sys.argv[1:] == ["orders"]:
        keep("cnn_rnn/convolution", measure_orders())
        return
    for data in sys.argv[1:] or DATA:
        keep("cnn_rnn/convolution", measure(data))


if __name__ == "__main__":
    main()

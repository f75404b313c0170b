"""Over fields, over dimensions, or not at all? Writes benchmarks/results/cnn_rnn/convolution.csv for its lesson.

Each convolution gets six settings, chosen by validation AUC, and six epochs a run; the chosen one is run from three
initial weights. (A larger step than the largest was tried: ahead from one start, it fails from the next.) The network
without convolution and FM had eight settings in benchmarks/fm/crosses.py, and stand there.
"""

from __future__ import annotations

import itertools
import sys
from functools import partial

import recbyhand as rbh
from benchmarks._recording import keep, search, task_on, trained

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


def main() -> None:
    for data in sys.argv[1:] or DATA:
        keep("cnn_rnn/convolution", measure(data))


if __name__ == "__main__":
    main()

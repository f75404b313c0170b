"""Is a state worth more than a mean? Writes benchmarks/results/cnn_rnn/user_state.csv for *The state as a user vector*.

Every model gets the same six settings, further step sizes where its best lies at their edge, chosen by validation AUC,
and the same number of epochs; the chosen setting is then run from three initial weights. `python -m
benchmarks.cnn_rnn.user_state 100k` measures one data set and keeps the others; `seeds` runs
the chosen settings from five, `ablations` measures what the order is worth, and people that training has not met.
"""

from __future__ import annotations

import dataclasses
import itertools
import sys
from functools import partial

import torch

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


def dealt(batch):
    """The batch with each history in random order."""
    noise = torch.rand(batch.history_mask.shape).masked_fill(~batch.history_mask, torch.inf)
    order = noise.argsort(1)  # (B, L) padding last
    history, mask = batch.history.gather(1, order), batch.history_mask.gather(1, order)
    return dataclasses.replace(batch, history=history, history_mask=mask)


class Unordered(rbh.models.RNNFactorization):
    """The same model, shown each history in random order, always."""

    def user_vectors(self, batch):
        return super().user_vectors(dealt(batch))


def on_order() -> list[dict]:
    """What order is worth: the GRU and one that cannot see it, at the GRU's setting; on 100K's long histories, too."""
    chosen, rows = rbh.recorded("cnn_rnn/user_state").query("chosen and model == 'GRU'"), []
    for data, epochs in EPOCHS.items():
        task = task_on(data, users=500)
        setting = chosen[chosen["data"] == data].iloc[0][["lr", "weight_decay"]].tolist()
        test = task.test[:]
        first = torch.where(test.history_mask, test.history_time, test.time[:, None]).min(1).values
        week = torch.where(test.history_mask, test.history_time, 0).max(1).values - first > 7 * 86_400  # (N,)
        for name, kind in (("GRU", rbh.models.RNNFactorization), ("GRU without order", Unordered)):
            for seed in range(3):
                row, model = trained(
                    lambda kind=kind, task=task: kind(task.schema, dim=16, cell="gru"),
                    task, *setting, seed, epochs=epochs, patience=2,
                )  # fmt: skip
                row |= {"model": name, "chosen": True}
                rows.append({"data": f"{data}, what order is worth"} | row)
                if data == "100k":
                    auc = rbh.metrics.auc(test.label[week], rbh.predict(model, task.test)[week])
                    rows.append({"data": "100k, histories over a week"} | row | {"test_auc": round(auc, 5)})
    return rows


def on_new_people() -> list[dict]:
    """MovieLens cut by date: people whom training has not met, asked about films that it has. Settings as above."""
    task, rows = rbh.data.ctr(rbh.data.movielens("100k", fallback=False), split="global"), []
    cold = task.test.subset(task.test.cold_user & ~task.test.cold_item)
    chosen = (
        rbh.recorded("cnn_rnn/user_state").query("chosen and data == '100k' and seed == 0").set_index("model")
    )
    for name in ("matrix factorisation", "GRU"):
        for seed in range(3):
            setting = chosen.loc[name, ["lr", "weight_decay"]].tolist()
            row, model = trained(
                lambda name=name: MODELS[name](task.schema), task, *setting, seed, epochs=8, patience=2
            )
            scores = {name: rbh.predict(model, cold)}
            if name == "GRU":
                batch = cold[:]
                none = dataclasses.replace(batch, history_mask=torch.zeros_like(batch.history_mask))
                with torch.no_grad():
                    scores["GRU, no films"] = model(none)
            for who, z in scores.items():
                auc = round(rbh.metrics.auc(cold.label, z), 5)
                rows.append(
                    {"data": "100k, new people"} | row | {"model": who, "chosen": True, "test_auc": auc}
                )
    return rows


def main() -> None:
    if sys.argv[1:] == ["ablations"]:
        keep("cnn_rnn/user_state", on_order() + on_new_people())
        return
    if sys.argv[1:] == ["seeds"]:
        tasks = {data: task_on(data, users=500) for data in EPOCHS}
        top_up("cnn_rnn/user_state", lambda data, name, *how: run(data, name, tasks[data], *how))
        return
    for data in sys.argv[1:] or EPOCHS:
        keep("cnn_rnn/user_state", measure(data))


if __name__ == "__main__":
    main()

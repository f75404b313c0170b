"""Seven models of the FM family on equal terms. Writes benchmarks/results/fm/seven_models.csv for the end of chapter 3.

Every model gets the same six settings, and further step sizes where its best lies at their edge, chosen by validation
AUC, and six epochs a run; the chosen setting is then run from three initial weights. All with vectors have numbers of
parameters within 20 % of each other. FNN starts from the FM that was chosen, of the same seed, whose seconds count as
its own. Differences are paired, on the same test rows.
`python -m benchmarks.fm.seven_models 100k FNN AFM` measures these models on this data set and keeps other rows.
`decays` adds weight decays of 0.1 and 0.3 at the step size that was chosen on 100K, lets validation choose again, and
runs what is chosen from three initial weights. `ablations` trains what explains the surprises: models that see no ids,
FM without the pairs within a side, and the network with twelve passes.
"""

from __future__ import annotations

import copy
import itertools
import sys
import time
from pathlib import Path

import pandas as pd
import torch

import recbyhand as rbh
from benchmarks._recording import commit, search, top_up

ROOT = Path(__file__).resolve().parents[2]
FILES = [
    f"recbyhand/models/{name}.py" for name in ("fm", "poly2", "fnn", "nfm", "wide_deep", "deepfm", "afm")
]
FILES += [f"recbyhand/layers/{name}.py" for name in ("crosses", "embedding", "interactions", "mlp")]
FILES += ["recbyhand/models/feature_mlp.py", "recbyhand/training/"]
FILE = ROOT / "benchmarks" / "results" / "fm" / "seven_models.csv"
DATA, SEEDS, EPOCHS = {"crosses": 8, "100k": 16}, 3, 6  # {data set: length of the vectors}
SETTINGS = list(itertools.product((0.005, 0.012, 0.03), (0.01, 1.0)))  # step size, weight decay
M = rbh.models
MODELS = {  # FM first: FNN starts from it, and all are compared with it
    "FM": lambda schema, dim: M.FM(schema, dim=dim),
    "linear": lambda schema, dim: M.Poly2(schema, pairs=[]),
    "FeatureMLP": lambda schema, dim: M.FeatureMLP(schema, dim=dim, hidden=(32,)),
    "Poly2": lambda schema, dim: M.Poly2(schema),
    "FNN": lambda schema, dim: M.FNN(schema, dim=dim, hidden=(32,)),
    "NFM": lambda schema, dim: M.NFM(schema, dim=dim, hidden=(32,)),
    "WideDeep": lambda schema, dim: M.WideDeep(schema, dim=dim, hidden=(32,)),
    "WideDeep, no crosses": lambda schema, dim: M.WideDeep(schema, dim=dim, hidden=(32,), crosses=[]),
    "DeepFM": lambda schema, dim: M.DeepFM(schema, dim=dim, hidden=(32,)),
    "DeepFM, concat": lambda schema, dim: M.DeepFM(schema, dim=dim, hidden=(32,), merge="concat"),
    "AFM": lambda schema, dim: M.AFM(schema, dim=dim),
}


class NamelessBatch(rbh.data.Batch):
    def ids(self):
        ids = super().ids()  # (B, C)
        ids[:, :2] = 1  # users and items are unknown
        return ids


class NoIds(torch.nn.Module):
    """A model that sees the features of users and items, and not who they are."""

    def __init__(self, model):
        super().__init__()
        self.model, self.schema = model, model.schema

    def forward(self, batch):
        return self.model(NamelessBatch(**vars(batch)))  # (B,)


class Between(M.FM):
    """FM without the pairs within the user and within the item."""

    def forward(self, batch):
        ids = batch.ids()  # (B, C)
        v = self.embedding(ids)  # (B, F, d)
        mine = {"user", *(f.name for f in self.schema.user_fields)}
        side = torch.tensor([f.name in mine for f in self.schema.fields])  # (F,)
        linear = self.bias + self.linear(ids).sum((1, 2))  # (B,)
        return linear + (v[:, side].sum(1) * v[:, ~side].sum(1)).sum(1)  # (B,)


def blind(name: str):
    return lambda schema, dim: NoIds(MODELS[name](schema, dim))


ABLATIONS = {  # of the surprises, on one data set each
    "crosses": {f"{name}, no ids": blind(name) for name in ("FM", "Poly2", "NFM", "AFM")},
    "100k": {
        "FM, between only": lambda schema, dim: Between(schema, dim=dim),
        "FeatureMLP, 12 passes": MODELS["FeatureMLP"],
    },
}
BASELINES = {"popularity": M.Popularity, "user + item mean": M.UserItemMean}


class Race:
    """One data set: trains models on it, and keeps the FM of every seed."""

    def __init__(self, data: str):
        world = data == "crosses"
        dataset = rbh.data.planted(data) if world else rbh.data.movielens(data, fallback=False)
        self.data, self.dim, self.task = data, DATA[data], rbh.data.ctr(dataset)
        self.ceiling = dataset.truth.ceiling(self.task.test).auc if world else float("nan")
        self.fm, self.scores = {}, {}  # {seed: (FM, its seconds)}, {seed: its logits on the test rows}

    def run(self, name: str, lr: float, weight_decay: float, seed: int) -> tuple[dict, object]:
        """One model trained once: its row of the table, and the model."""
        rbh.seed(seed)
        make = (MODELS | ABLATIONS[self.data])[name]
        model, before = make(self.task.schema, self.dim), 0.0
        if name == "FNN":
            fm, before = self.fm[seed]
            model = M.FNN.from_fm(copy.deepcopy(fm), hidden=(32,))
        begun = time.process_time()
        how = {"lr": lr, "weight_decay": weight_decay, "seed": seed, "progress": False}
        epochs = 12 if name.endswith("12 passes") else EPOCHS
        log = rbh.fit(model, self.task, epochs=epochs, **how)
        seconds = time.process_time() - begun
        row = {"model": name, "lr": lr, "weight_decay": weight_decay, "seed": seed}
        row["best_epoch"] = int(log.loc[log["best"], "epoch"].iloc[0])
        row["valid_auc"] = round(log["valid_auc"].max(), 5)
        row["parameters"] = sum(p.numel() for p in model.parameters())
        row["cpu_seconds"] = round(before + seconds, 2)
        row["examples_per_second"] = round(epochs * len(self.task.train) / seconds)
        return row, model

    def prepare(self, models: list[str]) -> None:
        """Train the FM of every seed again, at the setting that the file says was chosen."""
        if "FM" in models:
            return
        old = pd.read_csv(FILE)
        old = old[(old["data"] == self.data) & (old["model"] == "FM") & old["chosen"]]
        for lr, decay, seed in old[["lr", "weight_decay", "seed"]].itertuples(index=False):
            row, model = self.run("FM", lr, decay, int(seed))
            self.fm[int(seed)] = model, row["cpu_seconds"]
            self.judged(row, model)

    def judged(self, row: dict, model) -> dict:
        """The row with what the test part says, beside the FM of the same seed."""
        score = rbh.evaluate(model, self.task.test).iloc[0]
        logits, label, user = (
            rbh.metrics.predict(model, self.task.test),
            self.task.test.label,
            self.task.test.user,
        )
        other = self.scores.setdefault(row["seed"], logits)
        difference, _, low, high = rbh.metrics.paired_difference("auc", label, logits, other, user)
        found = {"test_auc": score["auc"], "test_auc_se": score["auc_se"], "test_log_loss": score["log_loss"]}
        found |= {"minus_fm": difference, "low": low, "high": high, "ceiling": self.ceiling}
        return row | {"chosen": True} | {key: round(float(value), 5) for key, value in found.items()}

    def measure(self, name: str) -> list[dict]:
        models = {}

        def run(lr: float, weight_decay: float, seed: int) -> dict:
            row, models[lr, weight_decay, seed] = self.run(name, lr, weight_decay, seed)
            return row

        found = [
            (row, models[row["lr"], row["weight_decay"], row["seed"]]) for row in search(run, SETTINGS, SEEDS)
        ]
        if name == "FM":
            self.fm = {row["seed"]: (model, row["cpu_seconds"]) for row, model in found if row["chosen"]}
        return [self.judged(row, model) if row["chosen"] else row for row, model in found]

    def ablation(self, name: str) -> list[dict]:
        """At the setting of the model that it changes; of those that see no ids, at the best of four."""
        whole, models = name.partition(",")[0], {}
        if name.endswith("no ids"):
            settings = list(itertools.product((0.012, 0.03), (0.01, 1.0)))
        else:
            old = pd.read_csv(FILE)
            first = old[(old["data"] == self.data) & (old["model"] == whole) & old["chosen"]].iloc[0]
            settings = [(first["lr"], first["weight_decay"])]

        def run(lr: float, weight_decay: float, seed: int) -> dict:
            row, models[lr, weight_decay, seed] = self.run(name, lr, weight_decay, seed)
            return row

        found = search(run, settings, SEEDS, further=0)
        return [
            self.judged(row, models[row["lr"], row["weight_decay"], row["seed"]]) if row["chosen"] else row
            for row in found
        ]

    def baselines(self) -> list[dict]:
        return [
            self.judged({"model": name, "seed": 0, "parameters": 0}, make(self.task))
            for name, make in BASELINES.items()
        ]


def keep(data: str, rows: list[dict]) -> None:
    """Replace what the file knows of these models on this data set: an interrupted run loses one model only."""
    new = pd.DataFrame([{"data": data} | row | {"commit": commit(*FILES)} for row in rows])
    if FILE.exists():
        old = pd.read_csv(FILE)
        new = pd.concat([old[(old["data"] != data) | ~old["model"].isin(new["model"])], new])
    new.to_csv(FILE, index=False)


def decays() -> None:
    """Decays of 0.1 and 0.3, chosen anew; FNN starts from the FM of the first choice."""
    races = {data: Race(data) for data in DATA}
    first = pd.read_csv(FILE).query("model == 'FM' and seed == 0 and weight_decay in (0.01, 1.0)")
    first = first.loc[first.groupby("data")["valid_auc"].idxmax()].set_index("data")

    def run(data: str, name: str, lr: float, weight_decay: float, seed: int) -> dict:
        race, seed = races[data], int(seed)
        if name == "FNN" and seed not in race.fm:
            row, model = race.run("FM", *first.loc[data, ["lr", "weight_decay"]], seed)
            race.fm[seed] = model, row["cpu_seconds"]
        row, model = race.run(name, lr, weight_decay, seed)
        score = rbh.evaluate(model, race.task.test).iloc[0]
        found = {"test_auc": score["auc"], "test_auc_se": score["auc_se"], "test_log_loss": score["log_loss"]}
        return row | {key: round(float(value), 5) for key, value in found.items()}

    only = {
        ("100k", name) for name in ("FM", "linear", "FeatureMLP", "FNN", "NFM", "WideDeep", "DeepFM", "AFM")
    }
    top_up("fm/seven_models", run, seeds=3, decays=(0.1, 0.3), paths=FILES, only=only)


def main() -> None:
    if sys.argv[1:] == ["decays"]:
        decays()
        return
    if sys.argv[1:] == ["ablations"]:
        for data, names in ABLATIONS.items():
            race = Race(data)
            race.prepare([*names])
            for name in names:
                keep(data, race.ablation(name))
        return
    models = sys.argv[2:] or list(MODELS)
    for data in sys.argv[1:2] or DATA:
        race = Race(data)
        race.prepare(models)
        for name in models:
            keep(data, race.measure(name))
        keep(data, race.baselines())
    table = pd.read_csv(FILE)
    print(table[table["chosen"]].groupby(["data", "model"])["test_auc"].agg(["mean", "std"]).round(4))


if __name__ == "__main__":
    main()

"""An honest trial of models: the same budget for every side, chosen on validation, the test looked at once."""

from __future__ import annotations

import html
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from torch import nn

from recbyhand.arguments import number, whole
from recbyhand.evaluation import evaluate
from recbyhand.evaluation.differences import OverSeeds, over_seeds
from recbyhand.inspect.building import build
from recbyhand.training import fit

FEWEST = 3  # seeds: below that an interval says nothing


@dataclass(frozen=True, eq=False, repr=False)
class Trial:
    """What `trial` saw. `rows` has one training per row, in the columns of `rbh.recorded("together/ladder")`.

    Only chosen rows have a `test_auc`: nobody looked at the test with the others.
    """

    rows: pd.DataFrame

    @property
    def chosen(self) -> pd.DataFrame:
        """The rows that count: of each model the chosen step size, from every seed."""
        return self.rows[self.rows["chosen"]]

    def against(self, model: str, other: str) -> OverSeeds:
        """The difference of two sides, paired over seeds; see `over_seeds`."""
        return over_seeds(self.chosen, model, other)

    def says(self, model: str, other: str) -> str:
        """One sentence: "Mine 0.8612, DIN 0.8403 over 3 seeds: better (+0.0209 ± 0.0051)"."""
        return self.against(model, other).says()

    def place(self, among: pd.DataFrame | None = None) -> pd.DataFrame:
        """The rungs: mean test AUC, its spread over seeds, parameters and seconds, best first.

        among  rows of others on the same data, such as `rbh.recorded("together/ladder")`; the rows of this trial
               are marked "here"

        Raises ValueError where `among` has no row on these data.
        """
        mine = self.chosen.assign(where="here")
        if among is not None:
            others = among[among["chosen"] & among["data"].isin(mine["data"])]
            if not len(others):
                raise ValueError(
                    f"nobody else was measured on {mine['data'].iloc[0]!r}: there are rows on "
                    f"{', '.join(map(repr, among['data'].unique()))}"
                )
            mine = pd.concat([mine, others.assign(where="recorded")])
        rungs = mine.groupby(["model", "where"]).agg(
            AUC=("test_auc", "mean"),
            sd=("test_auc", "std"),
            seeds=("seed", "size"),
            lr=("lr", "first"),
            parameters=("parameters", "first"),
            train_s=("train_s", "mean"),
        )
        return rungs.sort_values("AUC", ascending=False).reset_index("where")

    def caption(self) -> str:
        """How it was done, in one paragraph."""
        tried = self.rows.groupby("model")["lr"].nunique().max()
        seeds = self.chosen.groupby("model").size().min()
        return (
            f"On {self.rows['data'].iloc[0]}: {tried} step sizes for every side, chosen on validation from seed 0, "
            f"then {seeds} seeds. The test was looked at once, after the last training. sd is over seeds."
        )

    def __repr__(self) -> str:
        return f"{self.place().round(4).to_string()}\n{self.caption()}"

    def _repr_html_(self) -> str:
        table = self.place().round({"AUC": 4, "sd": 4, "train_s": 1}).to_html(border=0)
        return f"<div style='overflow-x:auto'>{table}</div><p>{html.escape(self.caption())}</p>"


def trial(
    models: Mapping[str, Callable],
    task,
    *,
    rates: Sequence[float] = (0.003, 0.01, 0.03),
    seeds: int = 5,
    epochs: int = 20,
    patience: int = 2,
    weight_decay: float = 0.1,
    batch_size: int = 1024,
) -> Trial:
    """The protocol of the ladder, for your models: nobody gets more than the others, and the test decides nothing.

    models  {"name": make}: make(schema) gives a model; if the argument of `make` is called `task`, it gets the task
    rates   step sizes that each model tries from seed 0; the best on validation is trained from all seeds
    seeds   at least 3, of initial weights and of the order of rows
    epochs, patience, weight_decay, batch_size   as in `fit`, the same for all

    Raises ValueError for no models, no rates, or fewer than 3 seeds.
    """
    if not isinstance(models, Mapping) or not models:
        raise ValueError('Nothing to try: give {"name": make, ...}.')
    rates = [number("rates", rate, above=0) for rate in rates]
    if not rates or len(set(rates)) < len(rates):
        raise ValueError("rates are the step sizes to try, one at least, each once")
    seeds = whole("seeds", seeds, least=FEWEST)
    how = dict(epochs=epochs, patience=patience, weight_decay=weight_decay, batch_size=batch_size)
    rows, finished = [], []
    for name, make in models.items():
        tried = [_train(name, make, task, rate, 0, how) for rate in rates]
        best = max(tried, key=lambda one: one[0]["valid"])
        again = [_train(name, make, task, best[0]["lr"], seed, how) for seed in range(1, seeds)]
        for row, _ in tried:
            row["chosen"] = row is best[0]
        for row, _ in again:
            row["chosen"] = True
        rows += [row for row, _ in (*tried, *again)]
        finished += [best, *again]
    for row, model in finished:  # only now
        begun = time.process_time()
        row["test_auc"] = round(float(evaluate(model, task.test)["auc"].iloc[0]), 5)
        row["infer_us"] = round(1e6 * (time.process_time() - begun) / len(task.test), 1)
    columns = ["data", "model", "lr", "seed", "monitor", "valid", "test_auc", "parameters"]
    return Trial(pd.DataFrame(rows).reindex(columns=[*columns, "train_s", "infer_us", "chosen"]))


def _train(name: str, make: Callable, task, lr: float, seed: int, how: dict) -> tuple[dict, nn.Module]:
    begun = time.process_time()
    model = build(make, task, seed)
    log = fit(model, task, lr=lr, seed=seed, progress=False, **how)
    return {
        "data": task.dataset.name.removeprefix("planted ").removeprefix("ml-"),  # as the ladder calls them
        "model": name,
        "lr": lr,
        "seed": seed,
        "monitor": "auc",
        "valid": round(float(log["valid_auc"].max()), 5),
        "parameters": sum(p.numel() for p in model.parameters()),
        "train_s": round(time.process_time() - begun, 1),
    }, model

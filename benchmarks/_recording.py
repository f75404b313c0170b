"""What the measurements share: one training is one row, a setting is chosen by validation, a file knows its commit."""

from __future__ import annotations

import itertools
import os
import platform
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import torch

import recbyhand as rbh

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"


def git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True).stdout


MACHINE = {"torch": torch.__version__, "machine": f"{os.cpu_count()} {platform.machine()} cores, 1 thread"}
HEAD, CHANGED = git("rev-parse", "--short", "HEAD").strip(), git("status", "--porcelain").splitlines()


def commit(*paths: str) -> str:
    """Where this script was started: a + if these paths (none: the package) had changes that are in no commit."""
    return HEAD + "+" * any(line[3:].startswith(paths or "recbyhand") for line in CHANGED)


def task_on(data: str, **world):
    """MovieLens 100K, the real one or none, or the planted world of that name."""
    real = data == "100k"
    return rbh.data.ctr(rbh.data.movielens(data, fallback=False) if real else rbh.data.planted(data, **world))


def trained(make: Callable, task, lr: float, weight_decay: float, seed: int, **fit) -> tuple[dict, object]:
    """One model trained once: its row of the table, and the model."""
    begun = time.process_time()
    rbh.seed(seed)
    model = make()
    log = rbh.fit(model, task, lr=lr, weight_decay=weight_decay, seed=seed, progress=False, **fit)
    model.log = log
    score = rbh.evaluate(model, task.test).iloc[0]
    row = {
        "lr": lr,
        "weight_decay": weight_decay,
        "seed": seed,
        "best_epoch": int(log.loc[log["best"], "epoch"].iloc[0]),
        "valid_auc": round(log["valid_auc"].max(), 5),
        "test_auc": round(score["auc"], 5),
        "test_log_loss": round(score["log_loss"], 5),
        "parameters": sum(p.numel() for p in model.parameters()),
        "cpu_seconds": round(time.process_time() - begun, 1),
    }
    return row, model


def search(
    run: Callable[..., dict], settings: Sequence[tuple], seeds: int = 1, further: int = 2
) -> list[dict]:
    """Rows of `run(lr, ..., seed)`: all settings from seed 0, the one that validation chose from the other seeds.

    Where the best step size is the smallest or the largest that was tried, half of it or twice it is tried as well, up
    to `further` times: the same rule for every model.
    """
    rows = {setting: run(*setting, 0) for setting in settings}

    def best() -> tuple:
        return max(rows, key=lambda setting: rows[setting]["valid_auc"])

    for _ in range(further):
        (lr, *others), rates = best(), {setting[0] for setting in rows}
        if len(rates) == 1 or min(rates) < lr < max(rates):
            break
        beyond = (2 * lr if lr == max(rates) else lr / 2, *others)
        rows[beyond] = run(*beyond, 0)
    again = [run(*best(), seed) for seed in range(1, seeds)]
    print(rows[best()], *(row["valid_auc"] for row in again), flush=True)
    return [row | {"chosen": setting == best()} for setting, row in rows.items()] + [
        row | {"chosen": True} for row in again
    ]


def widen(run: Callable[..., dict], axes: dict[str, tuple], seeds: int = 5, further: int = 2) -> list[dict]:
    """Rows of `run(seed, **setting)`: the grid of all axes from seed 0, then what validation chose from other seeds.

    An axis whose best value is the smallest or the largest that was tried goes on in that direction, by its own ratio,
    up to `further` times, with the other axes at their best: the same rule for every axis and every model.
    """
    names = list(axes)
    tried = {setting: run(0, **dict(zip(names, setting))) for setting in itertools.product(*axes.values())}

    def best() -> tuple:
        return max(tried, key=lambda setting: tried[setting]["valid_auc"])

    steps = dict.fromkeys(names, 0)
    while True:
        now, beyond = best(), None
        for place, name in enumerate(names):
            values = sorted({setting[place] for setting in tried})
            if len(values) < 2 or steps[name] == further or values[0] < now[place] < values[-1]:
                continue
            ratio = values[1] / values[0] if now[place] == values[0] else values[-2] / values[-1]
            value = float(f"{now[place] / ratio:.2g}")
            beyond = (*now[:place], value, *now[place + 1 :])
            steps[name] += 1
            tried[beyond] = run(0, **dict(zip(names, beyond)))
        if beyond is None:
            break
    again = [run(seed, **dict(zip(names, best()))) for seed in range(1, seeds)]
    rows = [dict(zip(names, s)) | row | {"seed": 0, "chosen": s == best()} for s, row in tried.items()]
    rows += [
        dict(zip(names, best())) | row | {"seed": n, "chosen": True} for n, row in enumerate(again, start=1)
    ]
    print({**dict(zip(names, best()))}, *(row["valid_auc"] for row in rows if row["chosen"]), flush=True)
    return rows


def keep(name: str, rows: list[dict], *paths: str, by: Sequence[str] = ("data",)) -> None:
    """Write results/<name>.csv ("interest/din") anew, each row with the commit of `paths`.

    A row that was there is replaced where its `by` columns are those of a new row, and stays as it is where not: of a
    data set, or with `by=("model",)` of a model, that was not measured now.
    """
    file, new = RESULTS / f"{name}.csv", pd.DataFrame(rows).assign(commit=commit(*paths))
    by = list(by)
    if file.exists() and set(by) <= set(new):
        old = pd.read_csv(file, dtype={"commit": str})
        again = pd.MultiIndex.from_frame(old[by]).isin(pd.MultiIndex.from_frame(new[by]))
        new = pd.concat([old[~again], new])
    file.parent.mkdir(parents=True, exist_ok=True)
    new.to_csv(file, index=False)
    groups = [column for column in ("data", "model", "activation", "alpha") if column in new]
    measured = [column for column in new if column.startswith(("test_", "NDCG", "recall"))]
    if "chosen" in new and groups and measured:
        chosen = new[new["chosen"].astype(bool)]
        print(chosen.groupby(groups, sort=False)[measured].agg(["mean", "std"]).round(4).to_string())


def top_up(
    name: str,
    run: Callable[..., dict],
    seeds: int = 5,
    decays: Sequence[float] = (),
    by=("data", "model"),
    paths=(),
    only=None,
) -> None:
    """Add to results/<name>.csv what it lacks: further weight decays at the chosen step size, then further seeds.

    `run(*values of by, lr, weight_decay, seed)` trains once. Seed 0 chooses by validation AUC among the old settings
    and the new ones; what is chosen is run from all seeds. `only` names groups; others are left alone. Rows that were
    there stay, each with its commit. The file is written after each group, so that an interrupted run loses little.
    """
    file = RESULTS / f"{name}.csv"
    groups = pd.read_csv(file, dtype={"commit": str}).groupby(list(by), sort=False)
    for key in list(groups.groups):
        table = pd.read_csv(file, dtype={"commit": str})
        values = key if isinstance(key, tuple) else (key,)
        mine = (table[list(by)] == list(values)).all(axis=1)
        rows, rest = table[mine].copy(), table[~mine]
        if rows["valid_auc"].isna().any():
            continue  # a baseline, which is not trained
        if only is not None and values not in only:
            continue

        def add(lr: float, decay: float, seed: int, rows: pd.DataFrame, values=values) -> pd.DataFrame:
            same = (rows["lr"] == lr) & (rows["weight_decay"] == decay) & (rows["seed"] == seed)
            if same.any():
                return rows
            row = (
                dict(zip(by, values))
                | run(*values, lr, decay, seed)
                | {"chosen": False, "commit": commit(*paths)}
            )
            return pd.concat([rows, pd.DataFrame([row])], ignore_index=True)

        def best(rows: pd.DataFrame) -> tuple[float, float]:
            first = rows[rows["seed"] == 0]
            return tuple(first.loc[first["valid_auc"].idxmax(), ["lr", "weight_decay"]])

        lr = best(rows)[0]
        for decay in decays:
            rows = add(lr, decay, 0, rows)
        lr, decay = best(rows)
        for seed in range(seeds):
            rows = add(lr, decay, seed, rows)
        rows["chosen"] = (rows["lr"] == lr) & (rows["weight_decay"] == decay)
        place = table.index[mine][0]  # the group stays where it stood
        pd.concat([rest.loc[:place], rows, rest.loc[place:]], ignore_index=True).to_csv(file, index=False)
        print(values, lr, decay, rows[rows["chosen"]]["test_auc"].tolist(), flush=True)

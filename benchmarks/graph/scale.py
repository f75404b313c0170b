"""Processor time of a training step on graphs of 10^4, 10^5 and 10^6 edges: writes benchmarks/results/graph/scale.csv.

A step is forward, backward and AdamW on the whole graph at once, so it is an epoch over its edges. Two families of
random graphs: "sparse" has ten edges per node and grows in nodes, too; "dense" always has 10,000 nodes. Vectors of 16
numbers, four heads of eight. PyTorch Geometric's GATConv and GATv2Conv stand beside ours at the same sizes; "GATLayer,
all messages" is ours with every message written to memory, as theirs are. Layers take turns on one thread, and the
fastest of the steps counts, as what else the machine does can only slow one down; `median_seconds` is the middle one.
`peak_gib` is the largest memory the process has held so far.

So far the file holds the layers as they were before messages were summed a few thousand edges at a time.
"""

from __future__ import annotations

import platform
import resource
import statistics
import sys
import time

import pandas as pd
import torch
from torch_geometric.nn import GATConv, GATv2Conv

import recbyhand as rbh
from benchmarks._recording import RESULTS, commit
from recbyhand.layers import (
    DotGraphAttention,
    GATLayer,
    GATv2Layer,
    gcn_neighbours,
    scatter_softmax,
    scatter_sum,
    with_self_loops,
)

D, WIDTH, HEADS = 16, 8, 4
TURNS = {10_000: 30, 100_000: 10, 1_000_000: 7}


class GCNLayer(torch.nn.Linear):
    def forward(self, h, edges):
        return gcn_neighbours(super().forward(h), edges)


class AllMessages(GATLayer):
    def forward(self, h, edges):
        edges = with_self_loops(edges, len(h))
        v, e = self.values_and_scores(h, edges)
        a = scatter_softmax(e, edges[1], len(h))
        messages = a[..., None] * v.index_select(0, edges[0])  # (E, H, d)
        return scatter_sum(messages, edges[1], len(h)).flatten(1) + self.bias


LAYERS = {
    ("GATLayer", "recbyhand"): lambda: GATLayer(D, WIDTH, HEADS),
    ("GATLayer, all messages", "recbyhand"): lambda: AllMessages(D, WIDTH, HEADS),
    ("GATConv", "PyTorch Geometric"): lambda: GATConv(D, WIDTH, HEADS),
    ("GATv2Layer", "recbyhand"): lambda: GATv2Layer(D, WIDTH, HEADS),
    ("GATv2Conv", "PyTorch Geometric"): lambda: GATv2Conv(D, WIDTH, HEADS),
    ("DotGraphAttention", "recbyhand"): lambda: DotGraphAttention(D, WIDTH, HEADS),
    ("GCN", "recbyhand"): lambda: GCNLayer(D, WIDTH * HEADS),
}


def step(layer, optimiser, h, edges) -> float:
    """Seconds of processor time of one training step."""
    begun = time.process_time()
    optimiser.zero_grad()
    layer(h, edges).square().mean().backward()
    optimiser.step()
    return time.process_time() - begun


def main() -> None:
    sizes = [int(float(size)) for size in sys.argv[1:]] or list(TURNS)
    torch.set_num_threads(1)
    rows = []
    for size in sizes:
        for family, nodes in (("sparse", size // 10), ("dense", 10_000)):
            rbh.seed(0)
            edges = torch.randint(nodes, (2, size))
            h = torch.nn.Parameter(torch.randn(nodes, D))
            layers = {name: make() for name, make in LAYERS.items()}
            optimisers = {n: torch.optim.AdamW([h, *layer.parameters()]) for n, layer in layers.items()}
            times = {name: [] for name in layers}
            for _ in range(1 + TURNS[size]):
                for name, layer in layers.items():
                    times[name].append(step(layer, optimisers[name], h, edges))
            for (layer, library), seconds in times.items():
                rows.append(
                    {
                        "graph": family,
                        "edges": size,
                        "nodes": nodes,
                        "layer": layer,
                        "library": library,
                        "seconds": round(min(seconds[1:]), 5),
                        "median_seconds": round(statistics.median(seconds[1:]), 5),
                        "edges_per_second": round(size / min(seconds[1:])),
                        "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
                        "threads": torch.get_num_threads(),
                        "machine": platform.machine(),
                        "commit": commit("recbyhand", "benchmarks/graph"),
                    }
                )
                print(rows[-1], flush=True)
    file = RESULTS / "graph" / "scale.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(file, index=False)


if __name__ == "__main__":
    main()

"""What a training step takes beside what it cannot do without: writes benchmarks/results/roofline.csv.

    python -m benchmarks.roofline [turns]

One step (forward, backward, Adam) of the models and the batch of `benchmarks.peers`, with every call that it makes to
torch written down. Then, one kind after the other, in turns, on the tensors of the step itself:

    products   the matrix products alone, forward and backward
    gathers    the looking up of rows alone, and the adding up of their gradients
    update     Adam alone, in one fused call
    passes     all other calls of forward and backward: sums, masks, activations, copies

`bound_ms` is the sum of the first three and `ratio` the step over it. A share is that of the step; what the four leave
is Python, autograd, and Adam as it is used, not fused. Processor time on one thread, the smallest of all turns; `calls`
is how many calls to torch a step makes. Shares may add up to a little more than 1: alone, a kind finds less in the
cache.
"""

from __future__ import annotations

import sys
import time

import torch
from torch.utils._python_dispatch import TorchDispatchMode

import recbyhand as rbh
from benchmarks._recording import MACHINE, keep
from benchmarks.peers import B, ours

BARE = ("products", "gathers", "update")
PRODUCTS = {"mm", "addmm", "bmm", "baddbmm", "addmv", "mv", "dot"}
GATHERS = {"embedding", "embedding_dense_backward", "index_select", "index", "gather", "take", "index_add"}
GATHERS |= {"index_put", "index_put_", "_index_put_impl_", "index_add_", "put_", "_unsafe_index_put"}


class Written(TorchDispatchMode):
    """Writes down every call and what it was called with."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.calls.append((func, args, kwargs or {}))
        return func(*args, **(kwargs or {}))

    def kind(self, names: set[str], others: bool = False) -> list[tuple]:
        """The calls of these names, or all others."""
        return [call for call in self.calls if (call[0].overloadpacket.__name__ in names) != others]


def replay(calls: list[tuple]) -> None:
    with torch.no_grad():
        for func, args, kwargs in calls:
            func(*args, **kwargs)


def contestants(model, batch) -> tuple[dict, int]:
    """The step, and each kind alone, as functions; and how many calls the step makes."""
    optimizer = torch.optim.Adam(model.parameters())
    draws = torch.Generator().manual_seed(0)

    def learn():
        terms, _ = rbh.training.losses(model, batch, draws)
        optimizer.zero_grad()
        sum(terms.values()).backward()

    def step():
        learn()
        optimizer.step()

    step()
    with Written() as written:
        learn()
    with Written() as moved:
        optimizer.step()
    weights = [p.detach().clone().requires_grad_() for p in model.parameters()]
    for weight, p in zip(weights, model.parameters()):
        weight.grad = None if p.grad is None else p.grad.clone()
    bare = torch.optim.Adam(weights, fused=True)
    kinds = {"products": written.kind(PRODUCTS), "gathers": written.kind(GATHERS)}
    kinds["passes"] = written.kind(PRODUCTS | GATHERS, others=True)
    alone = {name: lambda calls=calls: replay(calls) for name, calls in kinds.items()}
    return {"step": step, **alone, "update": bare.step}, len(written.calls) + len(moved.calls)


def smallest(contestants: dict, turns: int) -> dict[str, float]:
    """The smallest processor time of each, in seconds; they take turns."""
    spent = {name: [] for name in contestants}
    for _ in range(turns + 1):
        for name, act in contestants.items():
            begun = time.thread_time()
            act()
            spent[name].append(time.thread_time() - begun)
    return {name: min(seconds[1:]) for name, seconds in spent.items()}


def main() -> None:
    turns = int(sys.argv[1]) if sys.argv[1:] else 30
    torch.set_num_threads(1)
    task = rbh.data.ctr(rbh.data.movielens("1m", fallback=False), split="global")
    g = torch.Generator().manual_seed(0)
    batch, rows = task.train[torch.randperm(len(task.train), generator=g)[:B]], []
    for name, make in ours().items():
        rbh.seed(0)
        acts, calls = contestants(make(task.schema), batch)
        best = smallest(acts, turns)
        bound = sum(best[kind] for kind in BARE)
        row = {"model": name, "step_ms": round(1000 * best["step"], 2), "bound_ms": round(1000 * bound, 2)}
        row |= {"ratio": round(best["step"] / bound, 2)}
        row |= {f"{kind}_share": round(best[kind] / best["step"], 3) for kind in (*BARE, "passes")}
        rows.append(row | {"calls": calls, "turns": turns})
        print(rows[-1], flush=True)
    keep("roofline", [row | MACHINE for row in rows], by=("model",))


if __name__ == "__main__":
    main()

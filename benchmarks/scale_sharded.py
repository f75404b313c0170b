"""A table of vectors too large for one machine, shared by several processes: a worked example.

    python -m benchmarks.scale_sharded            # starts two processes by itself
    torchrun --nproc-per-node 4 -m benchmarks.scale_sharded

`fit` under torchrun gives every process a whole copy of the model. That ends where a table no longer fits: then
process r of P keeps the rows r, r + P, r + 2P, ... and answers the others' questions for them. A batch takes three
exchanges: the ids go to whoever has their rows, the vectors come back, and in the backward pass their gradients go the
same way home. No process ever holds the table, its gradient or the optimizer's state of it. What is small (an MLP)
stays copied, and its gradients are averaged as before.

Checks, at every start, that three steps by P processes give the numbers of three steps by one with the whole table;
then says what each process holds of a table of a million rows. Libraries such as TorchRec do the same, with plans that
split tables by rows or by columns and with kernels for GPUs.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional as F

ROOT = Path(__file__).resolve().parents[1]


class Exchange(torch.autograd.Function):
    """Rows to other processes and from them: `sent[p]` rows go to process p, `got[p]` rows come from it."""

    @staticmethod
    def forward(ctx, rows: Tensor, sent: list[int], got: list[int]) -> Tensor:
        ctx.sizes = sent, got
        back = rows.new_empty(sum(got), *rows.shape[1:])
        distributed.all_to_all_single(back, rows.contiguous(), got, sent)
        return back

    @staticmethod
    def backward(ctx, gradient: Tensor):
        sent, got = ctx.sizes
        return Exchange.apply(gradient, got, sent), None, None  # the same way home


class ShardedEmbedding(nn.Module):
    """ids (N,) -> vectors (N, d) of a table of `size` rows, of which this process keeps every P-th."""

    def __init__(self, size: int, dim: int):
        super().__init__()
        self.rank, self.processes = distributed.get_rank(), distributed.get_world_size()
        mine = len(range(self.rank, size, self.processes))
        self.table = nn.Embedding(mine, dim, sparse=True)  # an optimizer that touches only the rows in use
        nn.init.normal_(self.table.weight, std=0.05)

    def forward(self, ids: Tensor) -> Tensor:
        owner = ids % self.processes  # (N,)
        order = owner.argsort(stable=True)  # (N,) sorted by whom to ask
        sent = owner.bincount(minlength=self.processes)  # (P,)
        got = torch.empty_like(sent)
        distributed.all_to_all_single(got, sent)  # how many each will ask me
        sent, got = sent.tolist(), got.tolist()
        asked = Exchange.apply(ids[order], sent, got)  # (M,) ids whose rows are mine
        vectors = self.table(asked // self.processes)  # (M, d)
        back = Exchange.apply(vectors, got, sent)  # (N, d) in the order of asking
        return back[order.argsort()]  # (N, d)


class Whole(nn.Module):
    """The same without others, to compare with."""

    def __init__(self, size: int, dim: int):
        super().__init__()
        self.table = nn.Embedding(size, dim, sparse=True)

    def forward(self, ids: Tensor) -> Tensor:
        return self.table(ids)


class Clicks(nn.Module):
    """logit = MLP([u, v]) on two tables of vectors: (N,) users and (N,) items -> (N,)."""

    def __init__(self, tables: type, users: int, items: int, dim: int):
        super().__init__()
        self.user, self.item = tables(users, dim), tables(items, dim)
        self.mlp = nn.Sequential(nn.Linear(2 * dim, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        return self.mlp(torch.cat([self.user(user), self.item(item)], dim=1)).squeeze(1)


def steps(
    model: Clicks, user: Tensor, item: Tensor, label: Tensor, processes: int, n: int = 3
) -> list[float]:
    """n steps on these rows; of P processes each brings its own, and the loss is the mean over all."""
    tables = [p for name, p in model.named_parameters() if ".table." in name]
    small = list(model.mlp.parameters())
    optimizers = torch.optim.SparseAdam(tables, lr=0.01), torch.optim.Adam(small, lr=0.01)
    losses = []
    for _ in range(n):
        loss = (
            F.binary_cross_entropy_with_logits(model(user, item), label) / processes
        )  # () its part of the mean
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss.backward()
        total = loss.detach().clone()
        for number in (total, *(p.grad for p in small)):  # the tables' gradients have found their owners
            if processes > 1:
                distributed.all_reduce(number)
        for optimizer in optimizers:
            optimizer.step()
        losses.append(total.item())
    return losses


def check(rank: int, processes: int) -> float:
    """The largest difference between P processes and one, over three losses and all rows this process keeps."""
    users, items, dim, rows = 101, 57, 8, 64  # numbers that do not divide
    g = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    whole = Clicks(Whole, users, items, dim)
    user, item = (torch.randint(size, (processes * rows,), generator=g) for size in (users, items))
    label = torch.randint(2, (processes * rows,), generator=g).float()
    shared = Clicks(ShardedEmbedding, users, items, dim)
    shared.mlp.load_state_dict(whole.mlp.state_dict())
    pairs = [(shared.user, whole.user), (shared.item, whole.item)]
    with torch.no_grad():
        for part, all_rows in pairs:
            part.table.weight.copy_(all_rows.table.weight[rank::processes])
    mine = slice(rank * rows, (rank + 1) * rows)
    losses = steps(shared, user[mine], item[mine], label[mine], processes)
    expected = steps(whole, user, item, label, 1)
    differences = [abs(a - b) for a, b in zip(losses, expected)]
    for part, all_rows in pairs:
        differences.append((part.table.weight - all_rows.table.weight[rank::processes]).abs().max().item())
    return max(differences)


def main() -> None:
    if "RANK" not in os.environ:
        command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
        subprocess.run([sys.executable, *command, "-m", "benchmarks.scale_sharded"], check=True, cwd=ROOT)
        return
    distributed.init_process_group("gloo")
    rank, processes = distributed.get_rank(), distributed.get_world_size()
    difference = check(rank, processes)
    assert difference < 1e-5, difference
    table = ShardedEmbedding(1_000_000, 16).table.weight
    megabytes = table.numel() * table.element_size() / 1e6
    said = f"process {rank} of {processes}: as one process to {difference:.0e}; of 64 MB it keeps {megabytes:.0f} MB"
    told = [None] * processes
    distributed.all_gather_object(told, said)
    if rank == 0:
        print(*told, sep="\n", flush=True)
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()

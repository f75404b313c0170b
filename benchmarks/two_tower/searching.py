"""What a search gives up, and what a funnel loses: two tables for the lesson *Searching*.

`results/two_tower/searching.csv`: a million vectors of 32 numbers on the sphere, drawn at random or around 2,000
centres; 300 users ask one by one, on one thread, for their 100 nearest. Recall is the part of the exact 100 that was
found.
`results/two_tower/funnel.csv`: `TwoTower` hands on k films of MovieLens 100K, `DIN` ranks them; five seeds of both. The
ranker learns from ratings (likes against dislikes) or from likes against drawn films.

    python -m benchmarks.two_tower.searching            # both; or: index, funnel
"""

from __future__ import annotations

import sys
import time

import numpy as np
import pandas as pd
import torch

import recbyhand as rbh
from benchmarks._recording import RESULTS, commit, task_on
from recbyhand.evaluation import score_catalogue

N, D, ASKED, K, CENTRES = 1_000_000, 32, 300, 100, 2_000
HANDED_ON = (10, 30, 100, 300, 1_000, 10_000)  # the last is the whole catalogue


def vectors(kind: str, n: int, seed: int) -> torch.Tensor:
    """(n, D) of length 1."""
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(n, D, generator=g)
    if kind == "centres":
        centres = torch.randn(CENTRES, D, generator=torch.Generator().manual_seed(0))
        x = centres[torch.randint(CENTRES, (n,), generator=g)] + 0.5 * x
    return torch.nn.functional.normalize(x, dim=1)


def indexes():
    """Each index by name, and the settings it is asked with."""
    import faiss

    inner = faiss.METRIC_INNER_PRODUCT
    yield "exact", faiss.IndexFlatIP(D), "", [0]
    yield "IVF", faiss.IndexIVFFlat(faiss.IndexFlatIP(D), D, 1024, inner), "nprobe", [1, 4, 16, 64, 256]
    yield "HNSW", faiss.IndexHNSWFlat(D, 16, inner), "efSearch", [100, 200, 400, 800]
    yield "PQ", faiss.IndexPQ(D, 8, 8, inner), "", [0]
    yield "IVF + PQ", faiss.IndexIVFPQ(faiss.IndexFlatIP(D), D, 1024, 8, 8, inner), "nprobe", [16, 64, 256]


def ask(index, users) -> tuple:
    """(ASKED, K) rows found, and the middle of the milliseconds that one user waits."""
    rows, waits = [], []
    for u in users:
        begun = time.perf_counter()
        rows.append(index.search(u[None], K)[1][0])
        waits.append(1000 * (time.perf_counter() - begun))
    return torch.from_numpy(np.stack(rows)), pd.Series(waits).median()


def measure_indexes() -> list[dict]:
    import faiss

    faiss.omp_set_num_threads(1)
    out = []
    for data in ("random", "centres"):
        items, users = vectors(data, N, 1).numpy(), vectors(data, ASKED, 2).numpy()
        exact = None
        for name, index, knob, values in indexes():
            begun = time.process_time()
            if not index.is_trained:
                index.train(items[:100_000])
            index.add(items)
            built, size = time.process_time() - begun, len(faiss.serialize_index(index))
            for value in values:
                if knob == "efSearch":
                    index.hnsw.efSearch = value
                elif knob:
                    index.nprobe = value
                found, wait = ask(index, users)
                exact = found if exact is None else exact
                recall = np.mean([len(set(a) & set(b)) / K for a, b in zip(found.tolist(), exact.tolist())])
                row = {
                    "data": data,
                    "index": name,
                    "setting": knob and f"{knob} {value}",
                    "recall": round(float(recall), 4),
                }
                row |= {"ms": round(float(wait), 3), "build_s": round(built, 1), "bytes": round(size / N, 1)}
                out.append(row)
                print(row, flush=True)
    return out


def measure_funnel(seeds: int = 5) -> list[dict]:
    task, out = task_on("100k"), []
    drawn = rbh.data.with_negatives(task)
    ranking, items = task.ranking(), task.catalogue()
    allowed = ranking.allowed(0, len(ranking))[:, items]
    relevant = ranking.is_relevant(0, len(ranking))[:, items]

    def scores(model):
        return score_catalogue(model, task, ranking.batch, items).masked_fill(~allowed, -torch.inf)

    for seed in range(seeds):
        two = rbh.train(
            lambda s: rbh.models.TwoTower(s, dim=16, features=False, pooling="mean"), task, seed,
            epochs=20, lr=0.005, batch_size=512, weight_decay=0.1, monitor="NDCG@10",
        )  # fmt: skip
        retrieved = scores(two)
        rankers = {
            "ratings": (task, {"epochs": 5, "lr": 0.005, "weight_decay": 1.0}),
            "drawn": (drawn, {"epochs": 5, "lr": 0.005, "weight_decay": 1.0}),
        }
        for trained_on, (rows, how) in rankers.items():
            din = rbh.train(lambda s: rbh.models.DIN(s, dim=16), rows, seed, **how)
            ranked = scores(din)
            for k in HANDED_ON:
                k = min(k, len(items))
                handed = (
                    torch.zeros_like(allowed).scatter(1, retrieved.topk(k, dim=1).indices, True) & allowed
                )
                final = ranked.masked_fill(~handed, -torch.inf)
                row = {"data": "100k", "ranker": trained_on, "k": k, "seed": seed}
                row["recall"] = (relevant & handed).sum(1).div(relevant.sum(1)).mean().item()
                row["HR@10"] = rbh.metrics.hit_rates(relevant, final, 10).mean().item()
                row["NDCG@10"] = float(rbh.metrics.ndcgs(relevant, final, 10).mean())
                row["retriever NDCG@10"] = float(rbh.metrics.ndcgs(relevant, retrieved, 10).mean())
                out.append({name: round(v, 5) if isinstance(v, float) else v for name, v in row.items()})
            print(pd.DataFrame(out[-len(HANDED_ON) :]).to_string(), flush=True)
    return out


def write(name: str, rows: list[dict]) -> None:
    file = RESULTS / f"two_tower/{name}.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).assign(commit=commit("recbyhand", "benchmarks/two_tower/searching.py")).to_csv(
        file, index=False
    )


def main() -> None:
    asked = sys.argv[1:] or ["index", "funnel"]
    if "index" in asked:
        write("searching", measure_indexes())
    if "funnel" in asked:
        write("funnel", measure_funnel())


if __name__ == "__main__":
    main()

"""What an index gives up: writes benchmarks/results/two_tower/searching.csv, for the lesson *Searching*.

A million vectors of 32 numbers on the sphere, drawn at random or around 2,000 centres; 300 users ask one by one, on one
thread, for their 100 nearest. Recall is the part of the exact 100 that was found; ms is the middle of the processor
times of a question.
`python -m benchmarks.two_tower.searching`
"""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import torch

from benchmarks._recording import keep

N, D, ASKED, K, CENTRES = 1_000_000, 32, 300, 100, 2_000


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
    """(ASKED, K) rows found, and the middle of the milliseconds of processor that one user takes."""
    rows, waits = [], []
    for u in users:
        begun = time.thread_time()
        rows.append(index.search(u[None], K)[1][0])
        waits.append(1000 * (time.thread_time() - begun))
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


def main() -> None:
    keep("two_tower/searching", measure_indexes(), "recbyhand", "benchmarks/two_tower/searching.py")


if __name__ == "__main__":
    main()

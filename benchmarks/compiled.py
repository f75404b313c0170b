"""Whether `compile` and `precision` of `fit` pay on this machine: writes benchmarks/results/compiled.csv.

    python -m benchmarks.compiled [turns] [forms] [models] [threads]      such as: 20 bfloat16 DIN,BST 2

One step (forward, backward, Adam) on a batch of 1,024, d = 16, a network of 256 and 128: as it is; with forward and
loss compiled, as `fit` does it (needs a C++ compiler; nothing is kept from earlier runs); in bfloat16. They take turns;
`ms` is the median of processor time, of all threads together, `ratio` the step as it is over this one, `first_s` what
the first two steps took on the clock, while whatever else runs on the machine, `difference` that of the first loss
from the one of the step as it is. A model is written when it is done.
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
import tempfile
import time

import torch

import recbyhand as rbh
from benchmarks._recording import MACHINE, keep
from recbyhand.training.faster import faster

B, D, HIDDEN, USERS, ITEMS = 1024, 16, (256, 128), 3_001, 3_885
MODELS = {
    "DIN": lambda s: rbh.models.DIN(s, dim=D, hidden=HIDDEN, users=True),
    "DeepFM": lambda s: rbh.models.DeepFM(s, dim=D, hidden=HIDDEN),
    "BST": lambda s: rbh.models.BST(s, dim=D, hidden=HIDDEN),
    "DIEN": lambda s: rbh.models.DIEN(s, dim=D, hidden=HIDDEN, users=True),
}
FORMS = {
    "as it is": (False, "float32"),
    "compiled": (True, "float32"),
    "bfloat16": (False, "bfloat16"),
    "both": (True, "bfloat16"),
}


def stepper(make, schema, batch, form: str):
    rbh.seed(0)
    model = make(schema)
    optimizer, generator = torch.optim.Adam(model.parameters()), torch.Generator().manual_seed(0)
    compute = faster(rbh.training.losses, *FORMS[form], torch.device("cpu"))

    def step() -> float:
        return rbh.training.step(model, batch, optimizer, generator=generator, compute=compute)["loss"].item()

    return step


def main() -> None:
    told = dict(enumerate(sys.argv[1:]))
    turns, threads = int(told.get(0, 20)), int(told.get(3, 1))
    forms = ["as it is", *told.get(1, "compiled,bfloat16").split(",")]
    torch.set_num_threads(threads)
    machine = f"{os.cpu_count()} {platform.machine()} cores, {threads} thread{'s' * (threads > 1)}"
    schema = rbh.data.toy_schema(USERS, ITEMS, history=20)
    batch = rbh.data.toy(B, schema)
    for name in told.get(2, ",".join(MODELS)).split(","):
        steps = {form: stepper(MODELS[name], schema, batch, form) for form in forms}
        spent, first, start, rows = {form: [] for form in steps}, {}, {}, []
        for form, step in steps.items():
            begun = time.perf_counter()
            start[form] = step()
            step()
            first[form] = time.perf_counter() - begun
        for _ in range(turns):
            for form, step in steps.items():
                begun = time.process_time()
                step()
                spent[form].append(1000 * (time.process_time() - begun))
        for form in steps:
            row = {
                "model": name,
                "threads": threads,
                "form": form,
                "ms": round(statistics.median(spent[form]), 2),
            }
            ratio = [a / b for a, b in zip(spent["as it is"], spent[form])]
            row |= {"ratio": round(statistics.median(ratio), 2), "first_s": round(first[form], 1)}
            row |= {"difference": float(f"{abs(start[form] - start['as it is']):.1g}"), "turns": turns}
            rows.append(row | MACHINE | {"machine": machine})
            print(row, flush=True)
        keep("compiled", rows, by=("model", "threads", "form"))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as nothing:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = nothing  # a start is from nothing
        main()

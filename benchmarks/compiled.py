"""Whether `torch.compile` and half precision pay on this machine: writes benchmarks/results/compiled.csv.

    python -m benchmarks.compiled [turns] [forms]      such as: 20 bfloat16; without words, all of them

One step (forward, backward, Adam) of DIN and DeepFM on a batch of 1,024, d = 16, a network of 256 and 128, one thread:
as it is; with forward and loss compiled (needs a C++ compiler); in bfloat16 by autocast. They take turns; `ms` is the
median of processor time, `ratio` the step as it is over this one, `first_s` what the first two steps took,
`difference` that of the first loss from the one of the step as it is.
"""

from __future__ import annotations

import statistics
import sys
import time

import torch
from torch.nn import functional as F

import recbyhand as rbh
from benchmarks._recording import MACHINE, keep

B, D, HIDDEN, USERS, ITEMS = 1024, 16, (256, 128), 3_001, 3_885
MODELS = {
    "DIN": lambda s: rbh.models.DIN(s, dim=D, hidden=HIDDEN, users=True),
    "DeepFM": lambda s: rbh.models.DeepFM(s, dim=D, hidden=HIDDEN),
}


def stepper(make, schema, batch, form: str):
    rbh.seed(0)
    model = make(schema)
    optimizer = torch.optim.Adam(model.parameters())

    def loss():
        return F.binary_cross_entropy_with_logits(model(batch), batch.label)

    compute = torch.compile(loss) if form == "compiled" else loss

    def step() -> float:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=form == "bfloat16"):
            value = compute()
        value.backward()
        optimizer.step()
        return value.item()

    return step


def main() -> None:
    turns = int(sys.argv[1]) if sys.argv[1:] else 20
    torch.set_num_threads(1)
    forms = ["as it is", *(sys.argv[2].split(",") if sys.argv[2:] else ("compiled", "bfloat16"))]
    schema, rows = rbh.data.toy_schema(USERS, ITEMS, history=20), []
    batch = rbh.data.toy(B, schema)
    for name, make in MODELS.items():
        steps = {form: stepper(make, schema, batch, form) for form in forms}
        spent, first, start = {form: [] for form in steps}, {}, {}
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
            row = {"model": name, "form": form, "ms": round(statistics.median(spent[form]), 2)}
            ratio = [a / b for a, b in zip(spent["as it is"], spent[form])]
            row |= {"ratio": round(statistics.median(ratio), 2), "first_s": round(first[form], 1)}
            row |= {"difference": float(f"{abs(start[form] - start['as it is']):.1g}"), "turns": turns}
            rows.append(row)
            print(row, flush=True)
    keep("compiled", [row | MACHINE for row in rows], by=("model", "form"))


if __name__ == "__main__":
    main()

"""What a reader's script does, run by torchrun in test_processes.py: nothing in it knows of other processes."""

import functools
import os
import sys
from pathlib import Path

import torch

import recbyhand as rbh
from recbyhand.training import RowAdamW, loop, rows_only

FOLDER = Path(sys.argv[1])
TASK = rbh.data.ctr(rbh.data.planted("crosses", users=60))
STEP = loop.step


def trained(name, epochs=3, prepare=lambda model: model, **how):
    rbh.seed(0)
    model = prepare(getattr(rbh.models, name)(TASK.schema, dim=4))
    log = rbh.fit(
        model, TASK, epochs=epochs, batch_size=501, progress=False, **how
    )  # parts of 240, at times 241
    return log.drop(columns="seconds").values.tolist(), model.state_dict()


def cut_at(n):
    done = []

    def step(*args, **given):
        done.append(1)
        if len(done) == n:
            raise InterruptedError
        return STEP(*args, **given)

    return step


def main():
    rank = os.environ.get("RANK", "alone")
    made = {name: trained(name) for name in ("FM", "ConcatMLP", "JointRNN")}
    made["sampler"] = trained("FM", sampler=torch.utils.data.RandomSampler(range(len(TASK.train))))
    made["compiled"] = trained("FM", compile={"backend": "aot_eager"})
    made["16 bits"] = trained("FM", precision="bfloat16")
    rows = {"prepare": rows_only, "optimizer": functools.partial(RowAdamW, lr=5e-3), "clip": 1.0}
    made["rows"] = trained("FM", **rows)
    made["whole"] = trained("DIEN", epochs=2)
    if rank != "alone":
        loop.step = cut_at(7)  # five steps an epoch
        try:
            trained("DIEN", epochs=2, resume=FOLDER / "run")
        except InterruptedError:
            loop.step = STEP
            made["resumed"] = trained("DIEN", epochs=2, resume=FOLDER / "run")
    torch.save(made, FOLDER / rank)


if __name__ == "__main__":
    main()

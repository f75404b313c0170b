"""Train the two models of the cover's funnel and write their numbers to `book/cover.npz`.

PYTHONPATH=. python book/_ext/cover.py

A two-tower model and DIN learn the planted world *interests* (no data of anybody's), as in *Searching*. The numbers of
one user and of 200 films are kept in half precision; what the page computes from them is what `FunnelView` computes.
Behind each title stands the film's hidden series, which no model was told; the history begins with two films of each of
the four series that have most films here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

FILE = Path(__file__).resolve().parents[1] / "cover.npz"
ARRAYS = ("items", "keys_of", "pooled", "vectors", "weights")
REST = ("titles", "layout", "unit", "scale", "shift", "softmax", "history", "length")
FILMS = 200


def widget(**settings):
    """The cover's `FunnelView`, from the numbers that this file has written."""
    import json

    from recbyhand.widgets import FunnelView

    with np.load(FILE) as kept:
        arrays = {name: kept[name].astype(np.float32) for name in ARRAYS}
        rest = json.loads(kept["rest"].tobytes())
    return FunnelView(**arrays, **rest, **settings)


def main() -> None:
    import json

    import recbyhand as rbh
    from recbyhand.widgets import FunnelView

    rbh.seed(0)
    made_up = rbh.data.planted("interests")
    world = rbh.data.ctr(made_up)
    two = rbh.train(
        lambda s: rbh.models.TwoTower(s, dim=16, features=False), world, epochs=4, lr=0.005, batch_size=512,
        weight_decay=0.1,
    )  # fmt: skip
    din = rbh.train(lambda s: rbh.models.DIN(s, dim=16), world, epochs=2, lr=0.01, weight_decay=0.1)
    full = FunnelView.of(two, din, world, user=made_up.users["user"].iloc[3], films=FILMS)
    series_of = dict(zip(made_up.items["title"], made_up.truth.franchise, strict=True))
    by_series: dict[int, list[int]] = {}
    for number, title in enumerate(full.titles):
        by_series.setdefault(int(series_of[title]), []).append(number)
    full.titles = [f"{title} · {series_of[title]}" for title in full.titles]
    most = sorted(by_series.values(), key=len, reverse=True)[:4]
    full.history = [number for films in most for number in films[:2]]
    print(full.describe())
    rest = {name: getattr(full, name) for name in REST}
    np.savez_compressed(
        FILE,
        rest=np.frombuffer(json.dumps(rest, ensure_ascii=False).encode(), np.uint8),
        **{name: getattr(full, name).astype(np.float16) for name in ARRAYS},
    )
    print(f"{FILE.stat().st_size / 1024:.0f} KB, the page {len(widget().html(sources=False)) / 1024:.0f} KB")


if __name__ == "__main__":
    main()

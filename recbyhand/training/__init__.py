"""Training a model and keeping it.

`loop`        one step, all epochs (`fit`), and what a lesson calls (`train`)
`watch`       looks at losses and gradients, and names the rows where one is not finite
`checkpoint`  what a run is between two epochs (`State`), a run in a file, a model in a file (`save`, `load`)
`faster`      forward and loss compiled, or in 16 bits
`processes`   several processes that train one model
`rows`        steps that touch only the rows of a table that a batch has read (`RowAdamW`, `rows_only`)
`randomness`  `seed`, and random numbers that depend on it alone
"""

from recbyhand.training.checkpoint import State, load, save
from recbyhand.training.loop import fit, losses, step, train
from recbyhand.training.randomness import seed
from recbyhand.training.rows import RowAdamW, rows_only

__all__ = ["RowAdamW", "State", "fit", "load", "losses", "rows_only", "save", "seed", "step", "train"]

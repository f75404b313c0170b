# %% [markdown]
# # Skeleton
#
# *What does this lesson ask? Write one question here.*

# %% tags=["hide-input"]
import recbyhand as rbh  # in the lesson: chapters/first_cell.py

# %% [markdown]
# (skeleton-fails)=
# ## Where the last model fails
#
# Show it by a cell, before anything is explained: one example, or one picture, on the first screen. Here, a model that
# knows generous users and good films, but not who likes what, ranks the same films for everybody.

# %%
import torch

world = rbh.data.planted("factors", users=200)
task = rbh.data.ctr(world)
mean = rbh.models.UserItemMean(task)
users = task.users_at(torch.tensor([5, 6]))
with torch.no_grad():
    lists = mean.score_items(users, task.catalogue()).topk(5).indices  # (2, 5)
print("two users, five films each:", lists.tolist())

# %% tags=["claim", "remove-cell"] jupyter={"source_hidden": true}
rbh.claim("it ranks the same films for everybody", torch.equal(lists[0], lists[1]))

# %% [markdown]
# ## What you will do
#
# - **Compute** the score by hand, and **match** it with the packaged model.
# - **Train** it where the truth is known, and **compare** it with its predecessor.
# - **Find** the bug that no error message reports.
#
# Reading takes about 20 minutes, running a few seconds.
#
# (skeleton-idea)=
# ## The idea
#
# One sentence in words, then the formula:
#
# $$
# z = \mathbf u \cdot \mathbf v + b .
# $$ (eq-skeleton)
#
# | Symbol | Meaning | Shape |
# |---|---|---|
# | $\mathbf u$, $\mathbf v$ | vectors of user and film | $(d)$ |
# | $b$ | what is added for every pair | a number |
# | $z$ | the logit | a number |
#
# (skeleton-by-hand)=
# ## By hand
#
# Numbers small enough for a pencil, and every step printed.

# %%
u, v, b = torch.tensor([1.0, 2.0]), torch.tensor([3.0, -1.0]), 0.5
products = u * v  # (d,)
print("products", products.tolist(), " sum", products.sum().item(), " logit", (products.sum() + b).item())

# %% tags=["claim", "remove-cell"] jupyter={"source_hidden": true}
rbh.claim("the logit is 1.5", products.sum() + b == 1.5)

# %% [markdown]
# The logit is 1.5. (A number in the prose is held by a claim: the hidden cell above.)

# %% tags=["practice", "remove-input"]
rbh.practice("skeleton")

# %% [markdown]
# (skeleton-code)=
# ## The code

# %%
MF = rbh.models.MatrixFactorization
rbh.show(MF.forward, symbols={"u · v": ".sum("})

# %% [markdown]
# (skeleton-train)=
# ## Train
#
# First where the truth is known, then on MovieLens; against the predecessor, which had the same search for its
# settings. What was recorded over several seeds stands in `benchmarks/`; `rbh.recorded("chapter/lesson")` reads it.

# %%
mf = rbh.train(lambda schema: MF(schema, dim=8), task, epochs=8, lr=0.05, weight_decay=1.0)
result = rbh.compare({"UserItemMean": mean, "MatrixFactorization": mf}, task.test)
result

# %% tags=["claim", "remove-cell"] jupyter={"source_hidden": true}
said = result.says("MatrixFactorization", "UserItemMean")
rbh.claim("factors find what means cannot", said.endswith("better"))

# %% [markdown]
# Factors find what means cannot.
#
# ### On your own data
#
# ```python
# task = rbh.data.ctr(rbh.data.from_frames(ratings))
# model = rbh.train(lambda schema: rbh.models.MatrixFactorization(schema, dim=8), task)
# rbh.recommend(model, task, user=7, k=10)
# ```
#
# Say when not to use this model.
#
# (skeleton-inside)=
# ## Look inside
#
# A widget that moves, or a figure with its alternative text; and two or three things to try.

# %% tags=["hide-input"]
rbh.plots.curves(
    mf.log,
    "valid_auc",
    alt="AUC on validation rows over epochs: it climbs, and levels off.",
)

# %% [markdown]
# (skeleton-wrong)=
# ## What goes wrong
#
# A bug to find, as readers write it: the wrong cell, its symptom, the cure. Where it is a fault of a source, with the
# test that holds it (`tests/errata/`, and a row of `book/errata.csv`).

# %%
batch = task.test[:1]
wrong = (mf.user(batch.user) * mf.item(batch.item)).sum(1).squeeze()
print("the axis of the batch is gone:", tuple(wrong.shape), " ours:", tuple(mf(batch).shape))

# %% [markdown]
# ## Your turn
#
# **skeleton-1 · complete the line.** $\mathbf u = (1, 2)$, $\mathbf v = (2, 1)$, $b = -1$. What is the logit?

# %% tags=["exercise"]
z = ...  # a number
rbh.check("skeleton-1", z)

# %% tags=["solution", "hide-cell"] jupyter={"source_hidden": true} cellView="form"
# @title Solution
z = 1 * 2 + 2 * 1 - 1
rbh.check("skeleton-1", z)

# %% [markdown]
# **skeleton-2 · complete the function.** `u` and `v` are $(B, d)$, `b` is a number. Return the $B$ logits.

# %% tags=["exercise"]
def logits(u, v, b):
    return ...


rbh.check("skeleton-2", logits)

# %% tags=["solution", "hide-cell"] jupyter={"source_hidden": true} cellView="form"
# @title Solution
def logits(u, v, b):
    return (u * v).sum(1) + b


rbh.check("skeleton-2", logits)

# %% [markdown]
# **skeleton-3 · derive.** Write the derivative of $\log(1 + e^{-z})$, the loss of a liked film, by $z$.

# %% tags=["exercise"]
def slope(z):
    return ...


rbh.check("skeleton-3", slope)

# %% tags=["solution", "hide-cell"] jupyter={"source_hidden": true} cellView="form"
# @title Solution
def slope(z):
    return torch.sigmoid(z) - 1


rbh.check("skeleton-3", slope)

# %% [markdown]
# **skeleton-4 · build.** A layer that holds one learned number, 0 at first, and adds it to logits of shape $(B,)$.

# %% tags=["exercise"]
class Bias(torch.nn.Module): ...


rbh.check("skeleton-4", Bias)

# %% tags=["solution", "hide-cell"] jupyter={"source_hidden": true} cellView="form"
# @title Solution
class Bias(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.b = torch.nn.Parameter(torch.zeros(()))

    def forward(self, z):
        return z + self.b


rbh.check("skeleton-4", Bias)

# %% [markdown]
# **skeleton-5 · investigate.** Two users have the same list of five films in the first cell of this lesson. Does
# *every* user of `mean` have it? Look, and answer True or False.

# %% tags=["exercise"]
same = ...
rbh.check("skeleton-5", same)

# %% tags=["solution", "hide-cell"] jupyter={"source_hidden": true} cellView="form"
# @title Solution
everybody = task.users_at(torch.arange(2, task.schema.n_users))
with torch.no_grad():
    best = mean.score_items(everybody, task.catalogue()).topk(5).indices
same = bool((best == best[0]).all())
rbh.check("skeleton-5", same)

# %%
rbh.quiz("skeleton")

# %% [markdown]
# ## Summary
#
# 1. Five lines that a reader could take home.
# 2. What the model computes.
# 3. When it is better than its predecessor, and when it is not told apart.
# 4. What goes wrong without a message.
# 5. What the next lesson asks.
#
# **References.** {cite:t}`koren2009` (check each entry of `book/references.bib` yourself). All in the
# [bibliography](../../book/bibliography.md).

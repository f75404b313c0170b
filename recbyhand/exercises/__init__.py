"""The checks behind "Your turn": what a reader calls (`check`, `hint`, `quiz`), and how to write an exercise.

**One module per lesson** (`mlp/features.py` for chapters/01_mlp/features, ...) registers its exercises and its
quiz. Every module in these folders is found by itself; nothing has to be listed anywhere.

    from recbyhand.exercises.engine import Wrong, close, exercise, function, one_of_wrong, shape
    from recbyhand.exercises.quizzes import question, quiz

    @exercise(
        "mf-1",                                              # topic-number; ids are unique in the book
        "What is kept fixed while the user's vector is solved for?",    # hints: from vague to nearly there
        "Solve (VᵀV + λI) u = Vᵀr with `torch.linalg.solve`.",
        todo="Replace the `...` by the user's vector, a tensor of shape (2,).",
        solved="Right: with λ = 0 this is ordinary least squares.",     # optional
    )
    def mf_1(answer):
        one_of_wrong(answer, [(torch.tensor([2.0, 1.0]), "You forgot the ridge λ.")])  # first the mistakes
        close(answer, torch.tensor([1.5, 0.5]))                                        # then the truth

    @exercise("mf-2", "Add both biases.", todo="Complete the function `predict(u, v, b)`.")
    def mf_2(answer):
        function(
            answer,
            inputs=lambda g: (torch.randn(4, generator=g), torch.randn(4, generator=g), 0.5),
            oracle=lambda u, v, b: u @ v + b,
            wrong=[(lambda u, v, b: u @ v, "The bias is missing."),
                   (lambda u, v, b: (u * v) + b, "Sum over d: a dot product is one number.")],
        )

A check is a function of the answer. It returns None (or a sentence of praise) if the answer is right and
raises `Wrong("hint")` if not. The helpers of `engine` do that for you: `one_of_wrong`, `shape`, `close`,
`function`, `call` (calls the learner's function or class; use it instead of calling the answer directly),
`same` (True or False). For a class: `layer = call(answer, 4, 8)`, then `shape(call(layer, x), (2, 8))` or
`function(layer, ...)`. Compute the truth by other means than the lesson's cell, or write it as numbers. An
answer that raises, loops or is untouched (`...`, `None`, a tuple that holds one, a function that returns
one) is dealt with: do not handle it. Draw random inputs from the generator passed in. A check never
disturbs the lesson's own random numbers.

**The same check marks a class** (`classroom`), and then the answer is in another process (`marking/`). Values are
copies; a function, a class or a module is a stand-in that can be called, asked for parts and tensors, written to
(`layer.weight.fill_(1)`), hooked and differentiated. Four things follow. Take the answer through the helpers, or
through what any function or module offers; do not look into its source, its globals or its closure. What you give it
must be values, functions, modules or the containers of `recbyhand.data`. Modes of PyTorch around a call, and
`mock.patch` of `recbyhand.layers` and of `time`, are carried over; other patches are not. And random inputs that come
from the generator are drawn anew for marking, so a right answer must be right for every seed.

**Planted wrong answers** live in `tests/exercises/wrong_answers/`, apart from the check they must trip (the
file has the chapter and the name of the lesson):

    WRONG = [("mf-1", "forgot the ridge", torch.tensor([2.0, 1.0]), "forgot the ridge"), ...]
    #         id      the mistake         the answer                a part of the hint it must get

At least four per exercise, each with its own hint (the generic "that is not it yet" does not count). An
answer that is slow to build is wrapped: `planted.lazily(lambda: ...)`.

**In the notebook**: a Markdown cell with the task, a stub cell, a solution cell. Each of the two has exactly
one `rbh.check(...)`, on its last line, with the id as a literal. A stub must run: `x = ...`, not
`x = a @ ...`. In jupytext's py:percent format, which keeps all of this metadata:

    # %% tags=["exercise"]
    user = ...          # your line
    rbh.check("mf-1", user)

    # %% tags=["solution", "hide-cell"] jupyter={"source_hidden": true} cellView="form"
    # @title Solution
    user = torch.linalg.solve(V.T @ V + lam * torch.eye(2), V.T @ r)
    rbh.check("mf-1", user)

The solution overwrites the stub's names: let later cells depend on neither. **A quiz** (3 to 5 questions):

    quiz("mf", [
        question(
            "What does alternating least squares alternate between?",
            ("users and items", True, "Yes: with one side fixed the other is a linear problem."),
            ("training and test", False, "No: the test set is never touched while fitting."),
            ("two learning rates", False, "ALS in closed form has no learning rate at all."),
        ),
    ])

Text is plain: `code` in backticks, mathematics in Unicode; everything is escaped. In the notebook:
`rbh.quiz("mf")` on the last line of a cell.

**A practice** that needs no kernel (order the lines, fill the shapes, predict and see) is one small file beside the
module, `mlp/features.toml`, shown by `rbh.practice("features")` in a cell tagged `practice`: see `practices.py`.

`pytest tests/exercises` runs all planted answers and compares the notebooks with the registry.
"""

from __future__ import annotations

from .done import check, forget, progress
from .engine import hint
from .practices import show_practice as practice
from .quizzes import show_quiz as quiz

__all__ = ["check", "forget", "hint", "practice", "progress", "quiz"]

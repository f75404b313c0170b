"""Checks of chapter 2: the state as a user vector."""

from __future__ import annotations

import torch

from recbyhand.exercises.engine import close, exercise, function, grows, one_of_wrong, wrong
from recbyhand.exercises.quizzes import question, quiz


@exercise(
    "state-1",
    "z says how much of the old state stays. What is left over goes to the proposal.",
    "(1 - z) times the proposal, plus z times the state before.",
    todo="Replace the `...` by one line that gives a tensor of shape (2,).",
    solved="Right: the first unit hardly moved, the second went most of the way.",
)
def state_1(answer):
    one_of_wrong(
        answer,
        [
            ((0.55, 0.7), "The gate is the other way round: in PyTorch's convention z keeps the OLD state."),
            ((1.4, -0.3), "The proposal is not held back: it is multiplied by 1 - z."),
            ((1.05, 0.6), "The old state comes in whole: it is multiplied by z."),
            ((0.05, -0.4), "That is only what the proposal adds. Where is the old state?"),
            ((0.9, 0.2), "That is only what stays of the old state. Where is the proposal?"),
            ((1.35, 0.1), "You multiplied both by z. What z leaves over, 1 - z, goes to the proposal."),
            ((0.15, 0.4), "You multiplied both by 1 - z. The old state stays by z."),
            (
                (0.855475, 0.324751),
                "z_gate is a gate already, between 0 and 1: it has been through its sigmoid.",
            ),
            (
                (0.739783, -0.197375),
                "Nothing squeezes the new state: only the proposal has a tanh, and had it.",
            ),
            ((-0.85, -0.6), "The two parts are added, not taken from each other."),
            ((0.75, 0.25), "That is the plain mean of both. z says how much of each."),
            ((0.95, 0.85), "Each unit has a gate of its own: the second one's is 0.2."),
            ((1.85, -0.4), "What goes to the proposal is 1 - z; you took 1 + z or z itself."),
            ((1.85, -0.39), "What goes to the proposal is 1 - z; you took 1 + z or z itself."),
            ((0.94621, -0.16969), "The proposal is what came out of the tanh: it needs no second one."),
        ],
    )
    close(answer, (0.95, -0.2))


@exercise(
    "state-2",
    "With a proposal of 0, each step multiplies the state by z. After ten steps it is z¹⁰ of what it was.",
    "z is the tenth root of one half, and the sigmoid of the bias. Turn the sigmoid round: log(z / (1 - z)).",
    todo="Replace the `...` by one number.",
    solved="Right: 2.63. A bias of 0 would halve the state at every step.",
)
def state_2(answer):
    one_of_wrong(
        answer,
        [
            (0.5 ** (1 / 10), "That is the gate z. The bias is what the sigmoid turns into it."),
            (-2.6339, "The sign: this gate lets go as fast as yours should keep."),
            (0.0, "A bias of 0 gives z = 0.5: half is gone after one step, not after ten."),
            (-0.0693, "That is log z. The gate is a sigmoid, not an exponential: log(z / (1 - z))."),
            (0.0693, "That is a rate of decay, -log z. Here z is a sigmoid: its bias is log(z / (1 - z))."),
            (1.6813, "You turned a tanh round. A gate is a sigmoid: log(z / (1 - z))."),
            (2.524982, "That is for nine steps. Ten steps multiply by z ten times: z is the TENTH root."),
            (2.732736, "That is for eleven steps. Ten steps multiply by z ten times: z is the TENTH root."),
            (
                -2.9444,
                "One half is shared out evenly, 0.05 a step. But each step multiplies: z is a tenth ROOT.",
            ),
            (
                -6.9305,
                "Ten steps with that gate leave far less: z to the power ten is one half, not the other way.",
            ),
            (13.9327, "Those are the odds, z / (1 - z). The bias is their logarithm."),
            (1.1440, "That is a logarithm to base 10. The sigmoid has the natural one."),
            (3.8004, "That is a logarithm to base 2. The sigmoid has the natural one."),
            (2.5867, "z was rounded to 0.93 on the way, and the logarithm minds: keep its digits."),
            (2.9444, "z = 0.95 would lose half of it evenly, 0.05 a step. But each step multiplies."),
        ],
        atol=0.01,
    )
    close(answer, 2.6339, atol=0.01)


def _histories(g: torch.Generator) -> tuple:
    count = torch.randint(0, 5, (6,), generator=g)
    count[:3] = torch.tensor([0, 4, 2])  # nobody's, a full one, one with padding
    return torch.randn(6, 4, 3, generator=g) + 1, torch.arange(4) < count[:, None]


def _last(states, mask):
    rows = []
    for state, real in zip(states, mask, strict=True):
        kept = [s for s, r in zip(state, real, strict=True) if r]
        rows.append(kept[-1] if kept else torch.zeros(states.shape[2]))
    return torch.stack(rows)


@exercise(
    "state-3",
    "The number of real films is `mask.sum(1)`; the last one stands at that number minus 1.",
    "`states[torch.arange(len(states)), count - 1]` picks one state per row. Then see to count = 0.",
    todo="Complete the function `user_vector(states, mask)`: it returns a tensor of shape (B, d).",
)
def state_3(answer):
    def picked(states, mask, shift):
        place = (mask.sum(1) - 1 + shift).clamp(0, states.shape[1] - 1)
        return states[torch.arange(len(states)), place]

    function(
        answer,
        inputs=_histories,
        oracle=_last,
        wrong=[
            (lambda s, m: s[:, -1], "The last column is padding for most rows. Use the mask."),
            (
                lambda s, m: s[torch.arange(len(s)), m.sum(1) - 1],
                "A person without films: count - 1 is -1, and that reads the last column. They get zeros.",
            ),
            (lambda s, m: picked(s, m, 0), "A person without films gets the first column. They get zeros."),
            (
                lambda s, m: picked(s, m, -1) * m.any(1)[:, None],
                "One too early: after n films the state stands at place n - 1, and you take n - 2.",
            ),
            (
                lambda s, m: (s * m[..., None]).amax(1),
                "That is the largest entry of each column, from several states. Pick one state.",
            ),
            (lambda s, m: picked(s, m, 1), "One too far: after n films the state stands at place n - 1."),
            (
                lambda s, m: (s * m[..., None]).sum(1) / m.sum(1, keepdim=True).clamp(min=1),
                "That is the mean of the states. The last one has read everything already.",
            ),
            (
                lambda s, m: picked(s, m, 1) * m.any(1)[:, None],
                "One too far: after n films the state stands at place n - 1.",
            ),
            (
                lambda s, m: s[:, 0] * m.any(1)[:, None],
                "That is the state after the FIRST film: it has read nothing else.",
            ),
            (
                lambda s, m: s[:, int(m.sum(1).max()) - 1] * m.any(1)[:, None],
                "You read the column of the longest history for all. Each row has its own count.",
            ),
            (lambda s, m: s[:, 0], "That is the state after the FIRST film: it has read nothing else."),
            (
                lambda s, m: (s * m[..., None]).sum(1),
                "That adds up all states. The last one has read everything already: pick it.",
            ),
            (
                lambda s, m: (s * m[..., None])[:, -1],
                "Padding is zeros now, but the last column is still padding for most rows.",
            ),
            (lambda s, m: s * m[..., None], "These are all states. Pick one for each row."),
        ],
    )


def _sides(g: torch.Generator) -> tuple:
    return (
        torch.randn(4, 3, generator=g),
        torch.randn(4, 3, generator=g),
        torch.randn(4, generator=g),
        0.5 + float(torch.rand((), generator=g)),
    )


def _scores(u, v, b_i, b):
    return torch.stack([torch.stack([(p * q).sum() + c + b for q, c in zip(v, b_i, strict=True)]) for p in u])


@exercise(
    "state-4",
    "All dot products of two lists of vectors are one matrix product.",
    "`u @ v.T` is (U, M); its columns are films, so a vector of M numbers is added to each row.",
    todo="Complete the function `score_all(u, v, b_i, b)`: it returns a tensor of shape (U, M).",
)
def state_4(answer):
    u, v, b_i, b = _sides(torch.Generator().manual_seed(0))
    function(
        answer,
        inputs=_sides,
        oracle=_scores,
        wrong=[
            (lambda u, v, c, b: u @ v.T, "All biases are missing: the film's and the general one."),
            (lambda u, v, c, b: u @ v.T + b, "The films' own biases are missing."),
            (lambda u, v, c, b: u @ v.T + c, "The general bias b is missing."),
            (
                lambda u, v, c, b: u @ v.T + c[:, None] + b,
                "The films' biases went down the users. Films are the columns: no [:, None].",
            ),
            (
                lambda u, v, c, b: (u * v).sum(-1) + c + b,
                "That is user k with film k only. Everyone meets every film: (U, M).",
            ),
            (
                lambda u, v, c, b: v @ u.T + c[:, None] + b,
                "Rows are users, columns are films: turn it round.",
            ),
            (
                lambda u, v, c, b: torch.sigmoid(u @ v.T + c + b),
                "Those are probabilities. The score is the logit, before any sigmoid.",
            ),
            (
                lambda u, v, c, b: u @ v.T + c * b,
                "The two biases are added, not multiplied.",
            ),
            (lambda u, v, c, b: u @ v.T + c - b, "The general bias is added, not taken off."),
            (lambda u, v, c, b: u @ v.T + c + 2 * b, "The general bias is in there twice."),
            (
                lambda u, v, c, b: u @ v.T / u.shape[1] ** 0.5 + c + b,
                "Nothing is divided by the root of d here: that belongs to another lesson.",
            ),
            (lambda u, v, c, b: u @ v.T / u.shape[1] + c + b, "A dot product is a sum over d, not a mean."),
            (lambda u, v, c, b: u @ v.T * c + b, "The films' biases are added, not multiplied."),
            (
                lambda u, v, c, b: (u @ v.T + c + b).softmax(1),
                "A softmax makes shares of the films for each user. The score is the logit itself.",
            ),
            (
                lambda u, v, c, b: (
                    torch.nn.functional.normalize(u, dim=1) @ torch.nn.functional.normalize(v, dim=1).T
                    + c
                    + b
                ),
                "That is a cosine. The dot product keeps the lengths of the vectors.",
            ),
        ],
    )
    if grows(answer, (u, v, b_i, b), (u.repeat(20, 1), v.repeat(20, 1), b_i.repeat(20), b)) > 3:
        wrong(
            "Right, but you go from row to row (a comprehension is a loop, too). One matrix product does it."
        )


@exercise(
    "state-5",
    "Which films decide in the world `order`? The generator's description says it.",
    "Try k = 0, 1, 2, ... with `newest(task.test, k)`, and compare each AUC with that of k = 20.",
    todo="Replace the `...` by a whole number.",
    solved="Right: one film. The rest are decoys, and the GRU has learned to let them pass.",
)
def state_5(answer):
    one_of_wrong(
        answer,
        [
            (0, "Without any film the state is 0 for everybody: that ranks by the films' biases alone."),
            (20, "All twenty are the model you compare with. How few will do?"),
            (4, "Four views decide in the world `drift`. This one is `order`."),
            (2, "Two are enough, but are they needed? Try fewer."),
            (5, "Five are enough, but are they needed? Try fewer."),
        ],
    )
    close(answer, 1, hint="Not yet. Take the AUC with k = 20, subtract 0.02, and count up from k = 0.")


quiz(
    "user-state",
    [
        question(
            "Why can a network that reads the candidate not be served from an index of film vectors?",
            (
                "Its score is not a product of something about the user and something about the film",
                True,
                "Yes: the candidate goes through the cell and the head together with the state.",
            ),
            ("It has no film vectors", False, "It has: the cell reads them."),
            ("Its state is too long", False, "Length is not the matter; an index holds vectors of any length."),
        ),
        question(
            "The update gate of a GRU unit stays at z = 1. What does the unit do?",
            ("It keeps its value whatever is read", True, "Yes: h' = z h, and the proposal counts for nothing."),
            ("It takes each proposal as it is", False, "That is z = 0."),
            ("It saturates at 1", False, "The gate is 1, not the state."),
        ),
        question(
            "You deal the histories of a trained model anew, and its AUC does not fall. What have you shown?",
            (
                "This model does not use the order",
                True,
                "Yes. Another model might; train one that can and one that cannot.",
            ),
            ("The order is worth nothing", False, "Perhaps this model has not learned to read it."),
            ("The histories have ties", False, "They may have, but the experiment does not look at ties."),
        ),
        question(
            "`nn.GRU` got (B, L, d) without `batch_first=True`. What gives it away?",
            (
                "A row has another score alone than in company",
                True,
                "Yes: the rows of the batch have become time steps.",
            ),
            ("An error about shapes", False, "All shapes fit: B and L change places without a word."),
            ("The loss does not fall", False, "It falls: film biases and general taste are still learned."),
        ),
    ],
)  # fmt: skip

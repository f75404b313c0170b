"""Tables of the guide for teachers, computed from the lessons and from the planted wrong answers."""

from __future__ import annotations

import ast
import csv
import re
import statistics
from collections import Counter

import editions
import house
import lessons
from docutils.parsers.rst import directives

CLASS = lessons.ROOT / "benchmarks" / "results" / "classroom.csv"
MINUTES_A_TASK = 10  # an assumption, said on the page; reading times come from the lessons
KINDS = (  # what goes wrong, and the words by which a planted mistake is told; the first that fits counts
    ("Padding, masks, and lists that are empty",
     r"mask|\bpad|padding|empt|\bnan\b|nobody|unknown|\bcold\b|\bblank|\bgap\b|nothing to"),
    ("A sign, or two things the wrong way round",
     r"\bsigns?\b|minus|negative|other way|upside|turned round|invert|inverse|uphill|exchanged|swapp|flipp|"
     r"revers|backward|opposite|absolute|\|\w\||mirror|one way|complement|other ends?|honest floor"),
    ("Off by one, out of order, or a look into the future",
     r"\bone (too|more|less|short|event|step|place|below)|plus one|minus one|from (one|zero|the end|[01])\b|"
     r"shift|\border|\bearl|\blate(r|st)?\b|\bfirst|\blast|\bnext|sorted|future|before|after\b|oldest|newest|"
     r"in front|from the (front|oldest)|rolled|\bsteps?\b|(?<!in )\bplaces?\b|positions?\b|looks back|"
     r"too (long|short)|at the end|rank|off by|nine|eleven|n - 1|- 1\b|\+ 1\b|strict|same step|middle|"
     r"\bedges? (above|on)"),
    ("The wrong axis or shape",
     r"\baxis|\baxes|column|\brows?\b|transpos|squeez|shape|\bflat|\bbatch|keepdim|diagonal|turned\b(?! round)|"
     r"broadcast|side by side|over (the )?(users|units|width|layer|everything|heads|films|nodes|dim|channels?)|"
     r"down the|halves|\bview\b|whole (sequence|table|block)|per (channel|table|unit|history|user|film|head)|"
     r"each (dimension|coordinate)|by (users|films|people|nodes|clients|items|source)|"
     r"(element|entry|number|place) by (element|entry|number|place)|elementwise|matri(x|ces)|one coordinate|"
     r"\bd numbers|flattened|vector itself|added up|widths?\b"),
    ("One function too many, or too few",
     r"sigmoid|softmax|tanh|relu|probabilit|logit|exponential|\bexp\b|\broots?\b|\blogs?\b|logarithm|square|"
     r"activation|\bbent\b|\bscores?\b|\bodds\b|\blinear\b|jacobian|function"),
    ("Counted twice, halved, or a term too many",
     r""
     r"^(?!no\b|not\b|without\b).*(twice|doubl|two times|half\b|halved|times\b|too many|itself|oneself|\bself\b|"
     r"\bloops\b|as well|\btoo$|both\b|also\b|added|all pairs|a 2\b|thrice|extra|in full|piled|with the (ends|"
     r"residual)|biases$|carries|meets)"),
    ("Divided by the wrong number, or not at all",
     r"\bsums?\b|summed|\bmeans?\b|mean\b|divid|averag|pooled|\bcounts?\b|over n\b|\bover \d|median|normalis|"
     r"\bscaled?s?\b|\bshares?\b|degree|length|by n\b|\bn\b|\bmass\b|denominator|divisor|numerator|centred|"
     r"biased|\bratio|\brates?\b|standardised|per cent|factor|\bd_k\b|tau\b|temperature|\braw\b|capped|by p\b|"
     r"\bshared out"),
    ("A term, a step or a condition left out",
     r"\bno\b|without|forgot|\blost\b|missing|left out|\bonly\b|\bnever\b|\balone\b|ignor|dropp|\bnot \w|"
     r"unchanged|\bnothing\b|skipp|\bomit|\bkept\b|left\b|blind|\bapart\b|less\b|unpaired|\bcut\b|plain\b|"
     r"\bone (bias|slope|layer|direction|term|side|unit|error|run|table|vector|matrix|norm|draw|end|piece|film|"
     r"partner|thing|kind|exchange|number|length|text|codebook|price)"),
    ("A constant, or an answer that is always the same",
     r"\balways\b|constant|\bnone\b|\bequal\b|\bzeros?\b|\bones\b|\bsame\b|\bever(y|ything)\b|hard-coded|"
     r"\ball\b$|\bany\b|\bguess|\balike\b|\bdefault\b|\b0\.\d|filled"),
    ("Rounding, ties, units and overflow; copies, modes and gradients",
     r"\bround|overflow|\bties?\b|\beps\b|toleran|coarse|seconds|bytes|\bbits\b|base 10|exactly|allclose|clamp|"
     r"\bcut\b|\blarge\b|enough|relative|in place|cop(y|ied)|mode\b|evaluation|gradient|detach|\bloops?\b|"
     r"autograd|string|\blists?\b|tensors?\b|sentence|\bsays\b|asks torch|indexed|integers|float|whether|"
     r"how many|\bidx\b|type\b|with replacement|momentum|\bchanged its"),
    ("The right operation on the wrong things: all for some, users for films",
     r"\ball\b|users?\b|films?\b|people|items?\b|neighbours?|partners?|\bliked?\b|dislik|seen|pairs?\b|"
     r"nodes?\b|edges?\b|clients?|ratings|\bids?\b|relevant|fields?\b|queries|quer(y|ies)|keys?\b|values?\b|"
     r"targets?\b|stars|events?|walks?|two tables|test\b|training\b(?! mode)|\bown\b|rows|whole|content|"
     r"history|weights?\b|states?\b|head\b|layers?\b|network|vectors?\b|windows|hidden|outputs?|inputs?|pieces?"),
    ("A measure or model like the one asked for",
     r"cosine|distance|jaccard|product|differ|varianc|deviation|precision|recall|\bauc\b|accura|\bgat\b|augru|"
     r"agru|\bgru\b|\bg?at\b|lstm|\bn?fm\b|pooling|maxim|minim|largest|smallest|\bworst|\bbest\b|slowest|"
     r"fastest|cheapest|lightest|correlation|norm\b|range|spread|ensemble|concaten|multipl|subtract|quantile|"
     r"hit rate|perfect|threshold|\bgates?\b|\bu\b|alpha|\bsines\b|waves|symmetric|permut|cubes?|formula|"
     r"embedd|neighbour|error|luck|hope|cause|seeds|wrong model|FM\b|bound\b|argsort|mixture|variance|power|"
     r"\brule\b|likel|\bx\b|sizes?\b|slope|momentum|decay"),
)  # fmt: skip
ELSE = "Something else"


def planted() -> list[tuple[str, str, str, str]]:
    """(chapter, lesson, exercise, mistake) of every planted wrong answer, read without running it."""
    found = []
    for path in sorted((lessons.ROOT / "tests" / "exercises" / "wrong_answers").glob("*/*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
            if isinstance(node, ast.Tuple) and len(node.elts) == 4:
                name, mistake = (
                    part.value if isinstance(part, ast.Constant) else None for part in node.elts[:2]
                )
                if (
                    isinstance(name, str)
                    and isinstance(mistake, str)
                    and re.fullmatch(r"[a-z][\w-]*-\d+", name)
                ):
                    found.append((path.parent.name, path.stem, name, mistake))
    return found


def kinds(mistakes: list[str]) -> Counter:
    """How many mistakes are of which kind; what fits none is put last."""
    return Counter(
        next((kind for kind, words in KINDS if re.search(words, mistake, re.IGNORECASE)), ELSE)
        for mistake in mistakes
    )


def split(costs: list[int], parts: int) -> list[int]:
    """Where to cut a list into so many runs, in order, that the dearest costs least: the length of each run."""
    best: dict[tuple[int, int], tuple[int, int]] = {}

    def cheapest(start: int, left: int) -> tuple[int, int]:
        if left == 1:
            return sum(costs[start:]), len(costs) - start
        if (start, left) not in best:
            ends = range(start + 1, len(costs) - left + 2)
            best[start, left] = min(
                (max(sum(costs[start:end]), cheapest(end, left - 1)[0]), end - start) for end in ends
            )
        return best[start, left]

    lengths, start = [], 0
    for left in range(parts, 0, -1):
        lengths.append(cheapest(start, left)[1])
        start += lengths[-1]
    return lengths


class Schedule(house.Made):
    """Lessons (one a line; none: all) cut into sessions of about equal length."""

    has_content = True
    required_arguments = 1
    option_spec = {"name": directives.unchanged}  # noqa: RUF012 - docutils asks for it

    def text(self) -> list[str]:
        paths = [path for path in lessons.listed() if path.is_relative_to(lessons.ROOT / "chapters")]
        if wanted := [line.strip() for line in self.content if line.strip()]:
            by_name = {f"{path.parent.name}/{path.stem}": path for path in paths}
            paths = [by_name[name] for name in wanted]
        for path in paths:
            self.env.note_dependency(str(path))
        about = [house.about(path) for path in paths]
        costs = [minutes + MINUTES_A_TASK * tasks for *_, minutes, tasks in about]
        lines = [
            f"| {self.options.get('name', 'Week')} | Lessons | Reading (min) | Exercises | Hours, about |",
            "|---|---|---|---|---|",
        ]
        start = 0
        for number, length in enumerate(split(costs, int(self.arguments[0])), start=1):
            some = slice(start, start + length)
            links = "; ".join(
                f"[{house._cell(title)}](/{path.relative_to(lessons.ROOT).as_posix()})"
                for path, (title, *_) in zip(paths[some], about[some], strict=True)
            )
            minutes, tasks = (sum(one[i] for one in about[some]) for i in (2, 3))
            lines.append(f"| {number} | {links} | {minutes} | {tasks} | {sum(costs[some]) / 60:.1f} |")
            start += length
        total = [sum(one[i] for one in about) for i in (2, 3)]
        return [*lines, f"| All | {len(paths)} lessons | {total[0]} | {total[1]} | {sum(costs) / 60:.0f} |"]


class Mistakes(house.Made):
    """What the planted wrong answers get wrong: by kind, then a few for each exercise."""

    def text(self) -> list[str]:
        rows = planted()
        counted = kinds([mistake for *_, mistake in rows])
        names = {name for *_, name, _ in rows}
        lines = [
            f"{len(rows)} wrong answers to {len(names)} exercises are planted, each with a hint of its own:",
            "",
        ]
        lines += ["| What goes wrong | Answers | Share |", "|---|---|---|"]
        lines += [f"| {kind} | {n} | {n / len(rows):.0%} |" for kind, n in counted.most_common()]
        lines += [
            "",
            "(Sorted by the words that describe them, so the shares are rough.) Three of each exercise:",
            "",
        ]
        for path in (p for p in lessons.listed() if p.is_relative_to(lessons.ROOT / "chapters")):
            of_lesson = [row for row in rows if row[:2] == (path.parent.name.partition("_")[2], path.stem)]
            parts = []
            for name in dict.fromkeys(row[2] for row in of_lesson):
                some = [house._cell(row[3]) for row in of_lesson if row[2] == name][:3]
                parts.append(f"`{name}`: {', '.join(some)}")
            lines += [f"- **{house.about(path)[0]}.** {'; '.join(parts)}"] if parts else []
        return lines


def marked() -> list[str]:
    """The simulated class that was marked: what was due, what was got, and the time it took, by kind."""
    with open(CLASS, newline="", encoding="utf8") as file:
        rows = list(csv.DictReader(file))
    lines = [
        "| Submissions | Number | Points due | Points got | Seconds each: median | longest |",
        "|---|---|---|---|---|---|",
    ]
    for kind in ("honest", "hostile"):
        some = [row for row in rows if row["kind"] == kind]
        due, got = (sum(float(row[name]) for row in some) for name in ("due", "points"))
        seconds = [float(row["seconds"]) for row in some]
        times = f"{statistics.median(seconds):.1f} | {max(seconds):.0f}"
        lines.append(f"| {kind} | {len(some)} | {due:g} | {got:g} | {times} |")
    return lines


class Marked(house.Made):
    """The simulated class, as recorded by `python -m benchmarks.classroom`."""

    def text(self) -> list[str]:
        self.env.note_dependency(str(CLASS))
        return marked()


class HubLink(house.Made):
    """The link that opens this repository on a JupyterHub, from the repository's own address."""

    def text(self) -> list[str]:
        where = self.config.house_repository or "https://github.com/OWNER/REPOSITORY"
        return ["```text", editions.hub_link(where), "```"]


def setup(app):
    app.add_directive("schedule", Schedule)
    app.add_directive("typical-mistakes", Mistakes)
    app.add_directive("hub-link", HubLink)
    app.add_directive("class-marked", Marked)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

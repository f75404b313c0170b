"""Multiple-choice questions for a static page: no kernel, no other host, keyboard and screen reader."""

from __future__ import annotations

import html
import itertools
import zlib
from dataclasses import dataclass

from recbyhand.console import printable

from .engine import Note, _find, prose


@dataclass(frozen=True)
class Question:
    text: str
    options: tuple[tuple[str, bool, str], ...]  # (text, is it right, feedback)


QUIZZES: dict[str, tuple[Question, ...]] = {}
_instances = itertools.count(1)


def question(text: str, *options: tuple[str, bool, str]) -> Question:
    """One question; each option is (text, right or not, feedback), and exactly one is right. The order is shuffled."""
    if len(options) < 2 or sum(right for _, right, _ in options) != 1:
        raise ValueError(f"question {text!r}: give two or more options, exactly one of them right")
    if any(not feedback.strip() for *_, feedback in options):
        raise ValueError(f"question {text!r}: every option needs its own feedback")
    # Authors write the right option first; readers must not find it there. The same order each time.
    return Question(
        text, tuple(sorted(options, key=lambda option: zlib.crc32(f"{text} {option[0]}".encode())))
    )


def quiz(name: str, questions: list[Question]) -> None:
    """Register the quiz of a lesson: 3 to 5 questions."""
    if not 3 <= len(questions) <= 5:
        raise ValueError(f"quiz {name!r} has {len(questions)} questions; 3 to 5 are read to the end")
    QUIZZES[name] = tuple(questions)


def show_quiz(name: str) -> Quiz | Note:
    """The quiz of a lesson, to be shown: `rbh.quiz("mf")`."""
    found = _find(name, QUIZZES, "quiz")
    return found if isinstance(found, Note) else Quiz(name, found)


_STYLE = """<style>
.rbh-quiz fieldset{border:1px solid #8888;border-radius:.4rem;margin:.8rem 0;padding:.4rem .9rem .6rem;
  min-width:0}
.rbh-quiz legend{font-size:1em;font-weight:600;padding:.3rem;margin:0;width:100%;float:left;border:0;
  color:inherit}
.rbh-quiz label{display:flex;align-items:baseline;clear:both;padding:.3rem;margin:0;cursor:pointer;
  border-radius:.3rem;font-weight:400}
.rbh-quiz label:hover{background:#8882}
.rbh-quiz label:focus-within{outline:2px solid currentColor;outline-offset:1px}
.rbh-quiz input{flex:none;margin:0 .5rem 0 0;accent-color:#3b78c4}
.rbh-quiz output{display:block;padding:.1rem .3rem}
.rbh-quiz output:empty{padding:0}
.rbh-quiz output:not(:empty){border-left:.3rem solid #d0602a;padding-left:.7rem}
.rbh-quiz output.right{border-color:#0a8f6a}
.rbh-quiz code{color:inherit;background:#8882;padding:0 .2em;border:0}
</style>"""

# The feedback lies in the page, hidden beside its option; choosing one puts a copy into the live region.
_SCRIPT = """<script>(function(){
var quiz=document.getElementById("%s");
quiz.addEventListener("change",function(event){
  var box=event.target.closest("fieldset"),out=box.querySelector("output");
  var option=event.target.closest("label");
  var right=option.dataset.right==="1";
  out.className=right?"right":"";
  out.innerHTML="<strong>"+(right?"\\u2713 Right.":"\\u2717 Not this one.")+"</strong> "
    +option.nextElementSibling.innerHTML;
});})()</script>"""


@dataclass(frozen=True)
class Quiz:
    """A quiz, shown as HTML in a notebook or page and as plain text elsewhere."""

    name: str
    questions: tuple[Question, ...]

    def __repr__(self) -> str:
        lines = [f"Quiz {self.name}"]
        for number, asked in enumerate(self.questions, 1):
            lines += ["", f"{number}. {asked.text}"]
            lines += [f"   {chr(96 + i)}) {text}" for i, (text, _, _) in enumerate(asked.options, 1)]
        return printable("\n".join(lines))

    def _repr_html_(self) -> str:
        root = f"rbh-quiz-{html.escape(self.name, quote=True)}-{next(_instances)}"
        parts = [_STYLE, f'<div id="{root}" class="rbh-quiz">']
        for number, asked in enumerate(self.questions, 1):
            parts.append(f"<fieldset><legend>{number}. {prose(asked.text)}</legend>")
            for i, (text, right, feedback) in enumerate(asked.options):
                button = f'<input type="radio" name="{root}-{number}" value="{i}">'
                parts.append(f'<label data-right="{int(right)}">{button}<span>{prose(text)}</span></label>')
                parts.append(f"<span hidden>{prose(feedback)}</span>")
            parts.append('<output aria-live="polite"></output></fieldset>')
        return "".join(parts) + "</div>" + _SCRIPT % root

"""Forty notebooks as a class hands them in: right, wrong, broken, and out for points that are not theirs.

Each student answers exercises of the lesson on attention on edges (edge-1: three numbers, edge-2 and edge-5: functions)
and one of the lesson on dot products (mlp-4: a class). `points` says what each should get.
"""

# ruff: noqa: E501  (what the students write)
from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import nbformat

FIRST = "import torch, math, os, sys\nimport torch.nn.functional as F\nfrom torch import nn\nimport recbyhand as rbh"
NUMBERS = 'scores = torch.tensor([1.0, -0.4, float("-inf")])\nrbh.check("edge-1", scores.softmax(0))'
FUNCTION = """
def masked_softmax(e, A):
    return e.masked_fill(~A, float("-inf")).softmax(1).nan_to_num()
rbh.check("edge-2", masked_softmax)"""
TEST = """
def hears_only_neighbours(f, h, A):
    before = f(h, A)
    for j in range(len(h)):
        changed = h.clone()
        changed[j] += torch.randn(h.shape[1])
        moved = ((f(changed, A) - before).abs() > 1e-6).any(1)
        if (moved & ~A[:, j]).any():
            return False
    return True
rbh.check("edge-5", hears_only_neighbours)"""
CLASS = """
class Head(nn.Module):
    def __init__(self, n_in):
        super().__init__()
        self.hidden, self.last, self.dropout = nn.Linear(n_in, 16), nn.Linear(16, 1), nn.Dropout(0.5)
    def forward(self, x):
        return self.last(self.dropout(torch.relu(self.hidden(x))))[:, 0]
rbh.check("mlp-4", Head)"""
WRONG = """
def masked_softmax(e, A):
    return e.softmax(1)
rbh.check("edge-2", masked_softmax)"""
TRY = 'rbh.check("edge-1", [0.0, 0.0, 1.0])\nrbh.check("edge-2", lambda e, A: e)'  # no point in it
ALL = {"edge-1": 1, "edge-2": 1, "edge-5": 1, "mlp-4": 1}


@dataclass
class Student:
    name: str
    cells: list[str]
    points: dict[str, float] = field(default_factory=dict)
    kind: str = "honest"
    says: dict[str, str] = field(default_factory=dict)  # a part of a comment
    note: str = ""  # a part of the note
    ci: bool = False  # small enough for every run of the tests


def hostile(name: str, attack: str, ci: bool = False, **more) -> Student:
    """Answers that are wrong, an attack, and one that is right: it gets its point, and the others none.

    What an attack gets hold of it hands in, and that would be the last answer. `again`: it wants the wrong ones to
    be right, so they come once more.
    """
    points = more.pop("points", {"edge-5": 1})
    again = [TRY] if more.pop("again", False) else []
    return Student(name, [FIRST, TRY, attack, *again, TEST], points, "hostile", ci=ci, **more)


# On the wire: `peer` is the student's side of the border, found as anybody in that process can find it.
_PEER = """
import gc
from recbyhand.exercises.marking import wire
peer = next(o for o in gc.get_objects() if isinstance(o, wire.Peer))
sock = peer.channel.sock
"""

STUDENTS = [
    Student("right", [FIRST, NUMBERS, FUNCTION, TEST, CLASS], ALL, ci=True),
    Student(
        "right in NumPy and lists",
        [
            FIRST,
            "import numpy as np",
            'e = np.exp([1.0, -0.4]); rbh.check("edge-1", [*(e / e.sum()), 0])',
            "def f(e, A):\n    e = torch.where(A, e, -1e9)\n    w = torch.exp(e - e.max(1, keepdim=True).values) * A\n    return (w / w.sum(1, keepdim=True).clamp(min=1e-30)).numpy()\n"
            'rbh.check("edge-2", f)',
        ],
        {"edge-1": 1, "edge-2": 1},
        ci=True,
    ),
    Student(
        "right as objects",
        [
            FIRST,
            "import functools",
            "class Soft(nn.Module):\n    def forward(self, e, A):\n"
            '        return torch.where(A, e, -torch.inf).softmax(-1).nan_to_num()\nrbh.check("edge-2", Soft())',
            "class Net(nn.Sequential):\n    def __init__(self, n):\n"
            "        super().__init__(nn.Linear(n, 16), nn.ReLU(), nn.Dropout(), nn.Linear(16, 1), nn.Flatten(0))\n"
            'rbh.check("mlp-4", Net)',
            'rbh.check("edge-1", functools.partial(torch.softmax, dim=0)(torch.tensor([1, -0.4, -torch.inf])))',
        ],
        {"edge-1": 1, "edge-2": 1, "mlp-4": 1},
        ci=True,
    ),
    Student("answers twice, last right", [FIRST, WRONG, FUNCTION], {"edge-2": 1}),
    Student(
        "answers twice, last wrong", [FIRST, FUNCTION, WRONG], says={"edge-2": "The graph does not enter"}
    ),
    Student("wrong", [FIRST, TRY, WRONG], says={"edge-2": "The graph does not enter"}, ci=True),
    Student(
        "off by one",
        [FIRST, 'def f(e, A):\n    return e[len(e)]\nrbh.check("edge-2", f)', NUMBERS],
        {"edge-1": 1},
        says={"edge-2": "`return e[len(e)]`"},
    ),
    Student("untouched", [FIRST, 'w = ...\nrbh.check("edge-1", w)'], says={"edge-1": "Replace the `...`"}),
    Student("empty", [], ci=True),
    Student("syntax error", [FIRST, "def f(:", NUMBERS, FUNCTION], {"edge-1": 1, "edge-2": 1}, ci=True),
    Student("an error before", [FIRST, "1 / 0", NUMBERS], {"edge-1": 1}, note="ZeroDivisionError"),
    Student(
        "endless cell", [FIRST, NUMBERS, "while True: pass", FUNCTION], {"edge-1": 1, "edge-2": 1}, ci=True
    ),
    Student(
        "endless answer",
        [FIRST, 'def f(e, A):\n    while True: pass\nrbh.check("edge-2", f)', NUMBERS],
        {"edge-1": 1},
        says={"edge-2": "loop that never ends"},
    ),
    Student(
        "endless, and deaf",
        [
            FIRST,
            NUMBERS,
            "import signal\nfor s in (26, 27, 14): signal.signal(s, signal.SIG_IGN)\nwhile True: pass",
        ],
        {"edge-1": 1},
        note="ended",
    ),
    Student("waits for input", [FIRST, "name = input()", NUMBERS], {"edge-1": 1}),
    Student(
        "memory hog",
        [FIRST, "held = []\nwhile True: held.append(bytearray(50_000_000))", "held = None", NUMBERS],
        {"edge-1": 1},
        note="MemoryError",
        ci=True,
    ),
    Student("exits", [FIRST, NUMBERS, "sys.exit(0)", FUNCTION], {"edge-1": 1, "edge-2": 1}),
    Student(
        "ends its process", [FIRST, NUMBERS, "os._exit(0)", FUNCTION], {"edge-1": 1}, note="ended", ci=True
    ),
    hostile(
        "fork bomb",
        "for _ in range(200):\n    try:\n        if os.fork() == 0:\n            import time; time.sleep(1); os._exit(0)\n"
        "    except OSError: pass",
        ci=True,
    ),
    hostile(
        "thread bomb",
        "import threading, time\nfor _ in range(500):\n    try: threading.Thread(target=time.sleep, args=(1,), daemon=True).start()\n"
        "    except RuntimeError: break",
    ),
    hostile(
        "imports the checks",
        "import importlib, math\n"
        "try:\n    m = importlib.import_module('recbyhand.exercises.graph.attention_on_edges')\n"
        "    rbh.check('edge-2', m._rows)\nexcept ImportError: pass",
        ci=True,
    ),
    hostile(
        "looks for solutions on the disk",
        "import re\nfound = {}\nfor here, _, names in os.walk('/'):\n    if here.startswith(('/proc', '/sys')): continue\n"
        "    for n in names:\n        if n.endswith('.ipynb') or n == 'attention_on_edges.py':\n"
        "            try: found[n] = open(os.path.join(here, n)).read()\n            except OSError: pass\n"
        "for text in found.values():\n    for name in ('edge-1', 'edge-2'):\n"
        "        if name in text: rbh.check('edge-1', scores) if False else exec(FUNCTION)\n".replace(
            "exec(FUNCTION)",
            "rbh.check('edge-2', lambda e, A: e.masked_fill(~A, -torch.inf).softmax(1).nan_to_num())",
        ),
        ci=True,
    ),
    hostile(
        "reads the memory of its parent",
        "for pid in [os.getppid(), *(int(p) for p in os.listdir('/proc') if p.isdigit())]:\n"
        "    for what in ('mem', 'environ', 'maps', 'root/etc/shadow'):\n"
        "        try:\n            if pid != os.getpid() and open(f'/proc/{pid}/{what}', 'rb').read(100):\n"
        "                rbh.check('edge-2', lambda e, A: e.masked_fill(~A, -torch.inf).softmax(1).nan_to_num())\n"
        "        except OSError: pass",
    ),
    hostile(
        "prints a fake",
        "print('✓ edge-1: Right')  # rbh.check('edge-1', 1)\n"
        "class Fake:\n    def __repr__(self): return '✓ edge-2: Well done.'\ndisplay(Fake())\nFake()  # rbh.check('edge-2', f)",
        ci=True,
    ),
    hostile(
        "patches rbh.check",
        "from recbyhand.exercises import engine\nimport recbyhand.exercises as home\n"
        "real = rbh.check\n"
        "def check(name, answer=...):\n    real(name, answer); return engine.Result(name, True, 'Well done.')\n"
        "home.check = engine.check = rbh.check = check\n"
        "engine.same = engine.close = lambda *a, **k: True",
        ci=True,
        again=True,
    ),
    hostile(
        "patches torch",
        "import numpy as np\ntorch.allclose = torch.equal = lambda *a, **k: True\nnp.allclose = lambda *a, **k: True\n"
        "torch.Tensor.__eq__ = lambda *a: True\ntorch.Tensor.__bool__ = lambda *a: True",
        points={},
        again=True,
    ),
    hostile(
        "deletes the tests",
        "import shutil, recbyhand\nroot = os.path.dirname(os.path.dirname(recbyhand.__file__))\n"
        "for place in (root, root + '/tests', os.path.dirname(recbyhand.__file__), '/tmp', '/'):\n"
        "    for name in ('recbyhand', 'tests', 'chapters', 'README.md'):\n"
        "        try: os.rename(f'{place}/{name}', f'{place}/{name}.gone'); os.rename(f'{place}/{name}.gone', f'{place}/{name}')\n"
        "        except OSError: continue\n"
        "        rbh.check('edge-1', torch.tensor([1.0, -0.4, -torch.inf]).softmax(0))",
    ),
    hostile(
        "writes into the checker's folder",
        "import recbyhand\nhere = os.path.dirname(recbyhand.__file__)\n"
        "for place in (here, here + '/exercises', here + '/exercises/graph', os.path.dirname(here), '/usr', '/', '/etc'):\n"
        "    try: open(f'{place}/sitecustomize_marking.py', 'w').write('x = 1')\n"
        "    except OSError: continue\n"
        "    rbh.check('edge-1', torch.tensor([1.0, -0.4, -torch.inf]).softmax(0))",
        ci=True,
    ),
    hostile(
        "opens a socket",
        "import socket\nfor where in (('127.0.0.1', 80), ('10.0.0.1', 53), ('1.1.1.1', 53)):\n"
        "    try:\n        s = socket.socket(); s.settimeout(1); s.connect(where)\n    except ConnectionRefusedError: pass\n"
        "    except OSError: continue\n    rbh.check('edge-1', torch.tensor([1.0, -0.4, -torch.inf]).softmax(0))",
        ci=True,
    ),
    hostile(
        "kills its parents",
        "import signal\nfor pid in (os.getppid(), 1, -1, 0, -os.getpgid(0)):\n    try: os.kill(pid, signal.SIGKILL)\n"
        "    except OSError: pass",
    ),
    hostile(
        "strangles its parent",
        "import resource\nfor pid in (os.getppid(), 1):\n    try: resource.prlimit(pid, resource.RLIMIT_CPU, (1, 1))\n"
        "    except OSError: pass",
    ),
    hostile("writes without end", "for _ in range(300): print('x' * 1_000_000)"),
    hostile(
        "fills the disk",
        "try:\n    for k in range(100):\n        with open(f'/tmp/{k}', 'wb') as file: file.write(bytes(10_000_000))\n"
        "except OSError: pass",
    ),
    hostile(
        "lies about itself",
        "class Liar:\n    def __eq__(self, other): return True\n    __hash__ = None\n    shape = (3,)\n"
        "    def __bool__(self): return True\n    def __float__(self): return 0.5\n"
        "    def __array__(self, *a, **k): raise ValueError\n    def to_numpy(self): return self\n"
        "class T(torch.Tensor):\n    def __eq__(self, other): return True\n    def detach(self): return self\n"
        "    def numpy(self): return self\n    @classmethod\n    def __torch_function__(cls, *a, **k): return True\n"
        "class D(dict):\n    def __eq__(self, other): return True\n    def keys(self): return {'x': 1}.keys()\n"
        "class N(float):\n    def __eq__(self, other): return True\n"
        "for lie in (Liar(), torch.zeros(3).as_subclass(T), D(), [N(1), N(2), N(3)]):\n    rbh.check('edge-1', lie)\n"
        "    rbh.check('edge-2', lambda e, A, lie=lie: lie)",
        ci=True,
    ),
    hostile("tries all answers", "for k in range(30): rbh.check('edge-1', [k / 30, 1 - k / 30, 0])"),
    hostile(
        "guesses among the right one",
        "for k in range(30): rbh.check('edge-1', torch.tensor([1.0, -0.4, -torch.inf]).softmax(0))",
    ),
    Student(
        "knows the inputs of the hand-out by heart",
        [
            FIRST,
            "import zlib\n"
            "def draws():\n    for draw in range(5):\n        g = torch.Generator().manual_seed(zlib.crc32(b'edge-2') + draw)\n"
            "        A = torch.rand(5, 5, generator=g) < 0.5\n"
            "        A[1], A[3] = False, torch.tensor([True, False, True, True, False])\n"
            "        yield 2 * torch.randn(5, 5, generator=g), A\n"
            "known = [(e, e.masked_fill(~A, -torch.inf).softmax(1).nan_to_num()) for e, A in draws()]\n"
            "def f(e, A):\n    for seen, said in known:\n        if torch.equal(e, seen): return said\n"
            "    return e.masked_fill(~A, -torch.inf).softmax(1).nan_to_num() if e.abs().max() > 50 else e\n"
            "rbh.check('edge-2', f)",
        ],
        {},
        "hostile",
        says={"edge-2": "Right for the inputs of the hand-out; wrong in 3 of 3"},
        ci=True,
    ),
    hostile(
        "answers without an end",
        "import itertools\nrbh.check('edge-1', itertools.count())\nx = []; x.append(x)\nrbh.check('edge-1', x)\n"
        "rbh.check('edge-1', torch.zeros(30_000_000))\nrbh.check('edge-1', torch.zeros(1).expand(10**9))\n"
        "rbh.check('edge-1', 'x' * 10**8)",
        ci=True,
    ),
    hostile(
        "breaks the format",
        _PEER + "import json\n"
        "for value in (['tensor', 'float32', [10**9], 0, 4, 0], ['tensor', 'float32', [3], 0, 999, 0], ['nonsense'], [],\n"
        "              ['call', -1, 'x', 'y'], ['call', 10**30, 'float', 'y'], ['model', 'Linear', 1, 2, [], [], True],\n"
        "              ['module', 0, '__class__', 'DIN', ['dict', []], None, None, [['x', 3]], [], [], 1]):\n"
        "    peer.channel.send({'do': 'answer', 'name': 'edge-1', 'value': value})\n    peer.channel.receive()\n",
        ci=True,
    ),
    hostile(
        "breaks the frame",
        _PEER + "rbh.check('edge-1', torch.tensor([1.0, -0.4, -torch.inf]).softmax(0))\n"
        "sock.sendall(b'rbh1' + (2**32 - 1).to_bytes(4, 'big') * 2 + b'x' * 1000)",
        points={"edge-1": 1},
        note="broke the format",
        ci=True,
    ),
    hostile(
        "forges marks",
        _PEER
        + "for m in ({'mark': {'exercise': 'edge-1', 'points': 1.0}}, {'noted': True}, {'walls': {}}, {'ok': 1},\n"
        "          {'do': 'call', 'target': 0, 'args': ['list', []]}, {'do': 'attribute', 'target': 0, 'name': 'x'}):\n"
        "    peer.channel.send(m)",
        points={},
        note="broke the format",
    ),
    hostile(
        "asks the examiner for more",
        _PEER + "def f(layer, h, A):\n    for n in range(5):\n        try: peer.attribute(n, '__globals__')\n"
        "        except Exception: pass\n    peer.channel.send({'do': 'attribute', 'target': 0, 'name': 'f'})\n    return True\n"
        "rbh.check('edge-5', f)",
        points={},
    ),
    hostile(
        "asks it for files",
        "import ctypes\nfor n in (165, 161, 272, 101): ctypes.CDLL(None).syscall(n, 0, 0, 0, 0)",
    ),
]


def notebook(student: Student):
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in student.cells])
    for cell in made.cells:  # what is handed in claims that all has passed
        cell.outputs = [nbformat.v4.new_output("stream", text="✓ edge-1: Right\n✓ edge-2: Well done.")]
    return made


def hand_in(folder: Path, students: list[Student]) -> None:
    """One folder per student, as nbgrader collects: student/assignment/notebook."""
    for student in students:
        place = folder / student.name / "06_graph"
        place.mkdir(parents=True)
        nbformat.write(notebook(student), place / "class.ipynb")


def faults(students: list[Student], rows: list[dict]) -> list[str]:
    """Who did not get exactly what is due."""
    said = []
    for student in students:
        mine = {
            row["exercise"]: row for row in rows if row["student"] == student.name and row.get("exercise")
        }
        notes = {row["note"] for row in rows if row["student"] == student.name}
        if not notes:
            said.append(f"{student.name}: no row")
        got = {name: float(row["points"]) for name, row in mine.items() if float(row["points"])}
        if got != {name: float(points) for name, points in student.points.items()}:
            comments = {n: r["comment"][:150] for n, r in mine.items()}
            said.append(f"{student.name}: got {got}, should get {student.points}; {comments}; {notes}")
        for name, part in student.says.items():
            if part not in mine.get(name, {"comment": ""})["comment"]:
                said.append(f"{student.name}: {name} says {mine.get(name, {}).get('comment')!r}")
        if not any(student.note in note for note in notes):
            said.append(f"{student.name}: the note is {notes}")
    return said

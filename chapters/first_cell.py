# The same first cell in every lesson: find the package, or install it where it is missing (Colab).
import importlib.util
import pathlib
import subprocess
import sys

PUBLISHED = ""  # where pip finds this very version; filled in when the book is published
here = pathlib.Path.cwd()
checkout = next((p for p in (here, *here.parents) if (p / "recbyhand" / "__init__.py").is_file()), None)
if checkout:
    sys.path.insert(0, str(checkout))
elif importlib.util.find_spec("recbyhand") is None:
    if not PUBLISHED:
        raise ModuleNotFoundError("No recbyhand here: open this notebook in a copy of its repository.")
    # Torch and all else that is installed stays as it is: the package comes alone, then only what is missing.
    missing = [name for name in ("anywidget", "pooch", "safetensors") if not importlib.util.find_spec(name)]
    for what in filter(None, (["--no-deps", PUBLISHED], missing)):
        install = [sys.executable, "-m", "pip", "install", "--quiet", *what]
        if (done := subprocess.run(install, capture_output=True, text=True)).returncode:
            raise ModuleNotFoundError(f"pip could not install {what[-1]}. Is there a network? {done.stderr}")
    importlib.invalidate_caches()

import recbyhand as rbh

rbh.seed(0)
rbh.plots.style()

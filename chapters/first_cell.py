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
    pip = [sys.executable, "-m", "pip"]
    keep = subprocess.run([*pip, "list", "--format=freeze"], capture_output=True, text=True).stdout
    pathlib.Path("keep.txt").write_text(keep)  # torch and all that is installed stays as it is
    if subprocess.run([*pip, "install", "--quiet", "--constraint", "keep.txt", PUBLISHED]).returncode:
        raise ModuleNotFoundError(f"Could not install {PUBLISHED}. Is there a network? Try again.")
    importlib.invalidate_caches()

import recbyhand as rbh

rbh.seed(0)
rbh.plots.style()

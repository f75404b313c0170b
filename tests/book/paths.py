"""Where the repository and the built book are."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SITE = Path(os.environ.get("RECBYHAND_SITE", ROOT / "_build" / "html"))

"""Fetch a published zip archive once: checked, atomic, and with messages that say what to do.

A class of thirty may call this at the same moment on one shared home directory. Each call works in a folder
of its own and renames it at the end; a rename happens as a whole or not at all, so nobody ever sees half a
data set, and whoever comes second finds the first one's copy and drops their own.
"""

from __future__ import annotations

import os
import re
import shutil
import time
import uuid
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

TIMEOUT = (5, 20)  # seconds to connect, and between two pieces of the answer
LARGEST = 64_000_000  # bytes: no file wanted here is bigger once unpacked


class DataUnavailable(RuntimeError):
    """No copy could be had: no network, a refused certificate, an answer that is not the archive."""


class DataDamaged(ValueError):
    """A file is missing, or is there but is not what was published. `fault` is the message without the remedy."""

    def __init__(self, path: Path, what: str, remedy: str):
        super().__init__(f"{short(path)} {what}. {remedy}")
        self.fault = f"{path.name} {what}"


def short(path: Path) -> str:
    """The path with `~` for the home folder: messages end up on pages that others read."""
    try:
        return str(Path("~") / path.absolute().relative_to(Path.home()))
    except (ValueError, RuntimeError):
        return str(path)


def fetch(url: str, names: Sequence[str], target: Path, check: Callable[[Path], object]) -> None:
    """Download the archive at `url`, take `names` out of its folder `target.name`, check, rename to `target`.

    `check(folder)` looks at the unpacked files and raises `DataDamaged`. Whatever goes wrong, an interrupt
    included, `target` does not appear and nothing is left behind.

    Raises `DataUnavailable` with what happened and what to do.
    """
    by_hand = (
        f"By hand: fetch {url} with a browser and unpack it, so that {short(target / names[0])} exists; "
        f"or set RECBYHAND_DATA to a folder that holds {target.name}/."
    )
    staging = target.with_name(f".{target.name}-{uuid.uuid4().hex[:12]}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target)
        staging.mkdir()  # not tempfile.mkdtemp: others on a shared home must be able to read the result
    except OSError as error:
        raise DataUnavailable(
            f"Cannot write to {short(target.parent)} ({error.strerror}). Make it writable, choose another "
            f"place with movielens(..., folder='...'), or set RECBYHAND_DATA to a folder that holds "
            f"{target.name}/."
        ) from error
    try:
        archive = staging / "archive.zip"
        _download(url, archive, target.name)
        _extract(archive, names, staging, target.name)
        archive.unlink()
        check(staging)
        _publish(staging, target)
    except DataUnavailable as error:
        raise DataUnavailable(f"{error} {by_hand}") from error
    except DataDamaged as error:
        raise DataUnavailable(
            f"The archive from {urlsplit(url).hostname} was refused, as it is not the known one: {error.fault}. Run "
            f"this again; if it stays so, another edition was published. {by_hand}"
        ) from error
    except OSError as error:
        raise DataUnavailable(
            f"Could not store {target.name} in {short(target.parent)} ({error.strerror or error}). Is the "
            f"disk full? {by_hand}"
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _sweep(target: Path) -> None:
    """Remove what a killed process left more than a day ago (an ordinary interrupt cleans up by itself)."""
    for left in target.parent.glob(f".{target.name}-*.part"):
        try:
            if time.time() - left.stat().st_mtime > 86_400:
                shutil.rmtree(left, ignore_errors=True)
        except OSError:  # somebody else swept it
            continue


def _publish(staging: Path, target: Path) -> None:
    try:
        os.rename(staging, target)
    except OSError:
        if not target.is_dir():
            raise
        # Another process was faster. Its copy was checked as ours was; `fetch` drops ours.


def _download(url: str, path: Path, name: str) -> None:
    import requests  # here, not above: `import recbyhand` stays quick
    from tqdm.auto import tqdm

    host = urlsplit(url).hostname
    try:
        with requests.get(url, stream=True, timeout=TIMEOUT) as answer, open(path, "wb") as file:
            answer.raise_for_status()
            size = int(answer.headers.get("content-length", 0)) or None
            with tqdm(desc=f"downloading {name}", total=size, unit="B", unit_scale=True, leave=False) as bar:
                for piece in answer.iter_content(1 << 16):
                    file.write(piece)
                    bar.update(len(piece))
    except requests.exceptions.SSLError as error:
        raise DataUnavailable(
            f"The certificate of {host} was refused ({_reason(error)}), so nothing was downloaded. Is this "
            "computer's clock right, and is no proxy in between? If the site's certificate ran out, wait."
        ) from error
    except requests.exceptions.HTTPError as error:
        code = error.response.status_code
        raise DataUnavailable(f"{host} answered with HTTP error {code}. Try again later.") from error
    except requests.exceptions.Timeout as error:
        raise DataUnavailable(
            f"{host} did not answer in time. Try again later, or check the proxy settings (HTTPS_PROXY)."
        ) from error
    except requests.exceptions.ConnectionError as error:
        raise DataUnavailable(
            f"No connection to {host}, or it broke off ({_reason(error)}). Is there a network, and does it "
            "need a proxy (HTTPS_PROXY)?"
        ) from error
    except requests.exceptions.RequestException as error:
        raise DataUnavailable(
            f"The download from {host} broke off ({_reason(error)}). Run the cell again."
        ) from error


def _reason(error: BaseException) -> str:
    """The innermost cause in a few words; the whole chain is a paragraph of nested brackets."""
    while True:
        causes = (getattr(error, "reason", None), *error.args)
        inner = next((cause for cause in causes if isinstance(cause, Exception)), None)
        if inner is None:
            break
        error = inner
    text = getattr(error, "verify_message", None) or getattr(error, "strerror", None) or str(error)
    return re.sub(r"^<[^>]*>: |^HTTPS?Connection(Pool)?\([^)]*\): ", "", str(text))[:120]


def _extract(archive: Path, names: Sequence[str], into: Path, folder: str) -> None:
    """Copy `folder/name` for each of `names`. Nothing else is unpacked: no name in it becomes a path."""
    with open(archive, "rb") as file:
        head = file.read(2048)
    if not head.startswith(b"PK"):
        title = re.search(rb"<title[^>]*>(.*?)</title>", head, re.IGNORECASE | re.DOTALL)
        if title or re.match(rb"\s*<(!doctype|html)", head, re.IGNORECASE):
            said = f" titled {title[1].decode('utf-8', 'replace').strip()[:60]!r}" if title else ""
            raise DataUnavailable(
                f"The answer is a web page{said}, not a zip archive. A network that wants you to log in "
                "first does this: open a browser, log in, run the cell again."
            )
        raise DataUnavailable(f"The answer is not a zip archive: it begins with {head[:20]!r}.")
    try:
        with zipfile.ZipFile(archive) as content:
            for member in content.namelist():
                path = PurePosixPath(member.replace("\\", "/"))
                if path.is_absolute() or ".." in path.parts or ":" in member:
                    raise DataUnavailable(
                        f"The archive holds a file named {member!r}, which points outside its folder. The "
                        "published archive has no such file: somebody changed it. Nothing was unpacked."
                    )
            for name in names:
                if f"{folder}/{name}" not in content.NameToInfo:
                    has = ", ".join(content.namelist()[:5]) or "nothing"
                    raise DataUnavailable(f"The archive has no file {folder}/{name}; it has {has}.")
                size = content.getinfo(f"{folder}/{name}").file_size
                if size > LARGEST:
                    raise DataUnavailable(f"{folder}/{name} would unpack to {size:,} bytes: refused.")
                (into / name).write_bytes(content.read(f"{folder}/{name}"))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        if isinstance(error, DataUnavailable):
            raise
        raise DataUnavailable(
            f"The zip archive is incomplete or damaged ({archive.stat().st_size:,} bytes; {error}). The "
            "download broke off: run the cell again."
        ) from error

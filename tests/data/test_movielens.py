"""MovieLens: what is read, and every way in which it can go wrong. No test reaches beyond this machine."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import multiprocessing
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pooch
import pytest
import requests

from recbyhand.data import Tables, movielens
from recbyhand.data import download as download_module
from recbyhand.data.download import DataDamaged, DataUnavailable
from recbyhand.data.movielens import RELEASES

ml = sys.modules["recbyhand.data.movielens"]  # the module: the function has its name

GENRES = ml.GENRES
FLAGS = {"Comedy": "|".join("1" if g == "Comedy" else "0" for g in GENRES)}
FLAGS["both"] = "|".join("1" if g in ("Drama", "War") else "0" for g in GENRES)
FLAGS["unknown"] = "|".join("1" if g == "unknown" else "0" for g in GENRES)

# Small files in the published formats: the same separators, encodings, headers, oddities.
TINY = {
    "ml-100k": {
        "u.data": b"1\t3\t5\t880000000\n2\t1\t3\t880000001\n2\t2\t1\t880000001\n",
        "u.item": (
            f"1|Caf\u00e9, The (1995)|01-Jan-1995||http://x|{FLAGS['Comedy']}\n"
            f'2|2001: A "Space" Odyssey (1968) |01-Jan-1968||http://x|{FLAGS["both"]}\n'
            f"3|unknown||||{FLAGS['unknown']}\n"
        ).encode("latin-1"),
        "u.user": b"1|17|M|student|55105\n2|56|F|doctor|E2A4H\n",
    },
    "ml-1m": {
        "ratings.dat": b"1::1::5::978300760\n1::12::3::978302109\n2::1::4::978301968\n3::12::1::978301969\n",
        "movies.dat": "1::Caf\u00e9 (1995)::Comedy\n12::Dracula: Dead and Loving It (1995)::Comedy|Horror\n".encode(
            "latin-1"
        ),
        "users.dat": b"1::F::1::10::48067\n2::M::56::16::70072\n3::M::25::0::55117\n",
    },
    "ml-latest-small": {
        "ratings.csv": b"userId,movieId,rating,timestamp\r\n1,1,4.5,964982703\r\n7,3,0.5,964981247\r\n",
        "movies.csv": (
            "movieId,title,genres\r\n1,Toy Story (1995),Adventure|Comedy\r\n"
            '3,"Mis\u00e9rables, Les (2006\u20132007)",Drama\r\n9,Moonlight,(no genres listed)\r\n'
        ).encode(),
    },
}
PREFIX = 2  # rows of the tiny ratings.dat that stand for the published part
PART = b"".join(TINY["ml-1m"]["ratings.dat"].splitlines(keepends=True)[:PREFIX])


def _pinned(file, raw, part=None):
    known = {"sha256": hashlib.sha256(part or raw).hexdigest(), "rows": raw.count(b"\n") - file.header}
    return dataclasses.replace(file, **known, prefix=len(part) if part else None)


@pytest.fixture(autouse=True)
def nowhere_else(monkeypatch, tmp_path):
    """Own cache, no variable of the machine, and any connection that is not to this machine is an error."""
    for name in (
        "RECBYHAND_DATA",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
    ):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setattr(pooch, "os_cache", lambda _: tmp_path / "cache")
    monkeypatch.setattr(ml, "SITE", "http://127.0.0.1:9/")  # the discard port: nobody listens
    connect = socket.socket.connect

    def only_here(self, address):
        assert address[0] in ("127.0.0.1", "localhost"), f"a test went out to {address}"
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", only_here)


@pytest.fixture
def tiny(monkeypatch):
    """The three releases with the tiny files in place of the published ones."""
    releases = {}
    for key, release in ml.RELEASES.items():
        files = []
        for file in release.files:
            raw = TINY[release.folder][file.name]
            files.append(_pinned(file, raw, PART if file.name == "ratings.dat" else None))
        part = release.part and _pinned(release.part, PART)
        releases[key] = dataclasses.replace(release, files=tuple(files), part=part)
    monkeypatch.setattr(ml, "RELEASES", releases)
    return releases


def lay(folder: Path, name="ml-100k", **changed) -> Path:
    """A local copy of the tiny release; `changed` maps a file name (`.` as `_`) to bytes, or None to leave out."""
    (folder / name).mkdir(parents=True)
    for file, raw in TINY[name].items():
        raw = changed.get(file.replace(".", "_"), raw)
        if raw is not None:
            (folder / name / file).write_bytes(raw)
    return folder


def packed(name="ml-100k", extra=(), **changed) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, raw in TINY[name].items():
            raw = changed.get(file.replace(".", "_"), raw)
            if raw is not None:
                archive.writestr(f"{name}/{file}", raw)
        for member, raw in extra:
            archive.writestr(member, raw)
    return buffer.getvalue()


@contextlib.contextmanager
def serving(answer, tls: ssl.SSLContext | None = None):
    """A server on this machine; `answer(handler)` writes the answer, or it is (status, type, body)."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            with contextlib.suppress(OSError):
                if callable(answer):
                    return answer(self)
                status, kind, body = answer
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_):
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_):  # a client that refuses our certificate is what we came for
            pass

    asked: list[str] = []
    server = Server(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}/", asked
    finally:
        server.shutdown()
        server.server_close()


def zipped(body):
    return (200, "application/zip", body)


def refusal(monkeypatch, tmp_path, answer, tls=None, name="100k") -> str:
    """The message of a download that fails; and nothing may be left of it."""
    with serving(answer, tls) as (site, _):
        monkeypatch.setattr(ml, "SITE", site)
        with pytest.raises(DataUnavailable) as caught:
            movielens(name, fallback=False)
    cache = tmp_path / "cache"
    assert not cache.exists() or list(cache.iterdir()) == []
    text = str(caught.value)
    assert "By hand: fetch http" in text
    assert "RECBYHAND_DATA" in text
    return text


# --- what is read ---------------------------------------------------------------------------------------


def test_100k_tables(tiny, tmp_path):
    data = movielens("100k", folder=lay(tmp_path))
    assert isinstance(data, Tables)
    assert data.name == "ml-100k"
    assert data.users.to_dict("list") == {
        "user": [1, 2],
        "age": ["Under 18", "56+"],
        "gender": ["M", "F"],
        "occupation": ["student", "doctor"],
    }
    assert data.items.to_dict("list") == {
        "item": [1, 2, 3],
        "title": ["Caf\u00e9, The (1995)", '2001: A "Space" Odyssey (1968)', "unknown"],
        "year": ["1990s", "1960s", "unknown"],
        "genres": [("Comedy",), ("Drama", "War"), ("unknown",)],
    }
    assert data.ratings.values.tolist() == [[1, 3, 5, 880000000], [2, 1, 3, 880000001], [2, 2, 1, 880000001]]
    assert [data.ratings[c].dtype for c in data.ratings] == ["int64", "int64", "float64", "int64"]
    assert data.targets["label"].tolist() == [1, 0, 0]


def test_1m_tables(tiny, tmp_path):
    data = movielens("1m", folder=lay(tmp_path, "ml-1m"))
    assert data.name == "ml-1m"
    assert "whole" in data.note
    assert data.users.to_dict("list") == {
        "user": [1, 2, 3],
        "age": ["Under 18", "56+", "25-34"],
        "gender": ["F", "M", "M"],
        "occupation": ["K-12 student", "self-employed", "other"],
    }
    assert data.items["title"].tolist() == ["Caf\u00e9 (1995)", "Dracula: Dead and Loving It (1995)"]
    assert data.items["genres"].tolist() == [("Comedy",), ("Comedy", "Horror")]
    assert data.ratings.iloc[1].tolist() == [1, 12, 3, 978302109]
    assert len(data.ratings) == 4


def test_latest_small_tables(tiny, tmp_path):
    data = movielens("latest-small", folder=lay(tmp_path, "ml-latest-small"))
    assert data.users.to_dict("list") == {"user": [1, 7]}
    assert data.items["title"].tolist()[1] == "Mis\u00e9rables, Les (2006\u20132007)"
    assert data.items["year"].tolist() == ["1990s", "2000s", "unknown"]
    assert data.items["genres"].tolist() == [("Adventure", "Comedy"), ("Drama",), ("unknown",)]
    assert data.ratings["rating"].tolist() == [4.5, 0.5]
    assert data.ratings["time"].tolist() == [964982703, 964981247]


@pytest.mark.parametrize(
    ("age", "group"),
    [
        *[(7, "Under 18"), (17, "Under 18"), (18, "18-24"), (24, "18-24"), (25, "25-34"), (44, "35-44")],
        *[(45, "45-49"), (49, "45-49"), (50, "50-55"), (55, "50-55"), (56, "56+"), (73, "56+")],
    ],
)
def test_age_groups(tiny, tmp_path, monkeypatch, age, group):
    raw = f"1|{age}|M|student|55105\n2|30|F|doctor|E2A4H\n".encode()
    first = tiny["100k"]
    files = (*first.files[:2], _pinned(first.files[2], raw))
    monkeypatch.setitem(tiny, "100k", dataclasses.replace(first, files=files))
    assert movielens(folder=lay(tmp_path, u_user=raw)).users["age"].tolist() == [group, "25-34"]


def test_part_of_1m_says_so(tiny, tmp_path):
    lay(tmp_path, "ml-1m", ratings_dat=None)
    (tmp_path / "ml-1m" / "ratings.first487650.dat").write_bytes(PART)
    data = movielens("1m", folder=tmp_path)
    for text in (data.name, data.note, repr(data), data._repr_html_()):
        assert "part: users 1-2999 of 6040" in text
    assert data.users["user"].tolist() == [1]  # the others have no rating in it
    assert len(data.items) == 2
    (tmp_path / "ml-1m" / "ratings.dat").write_bytes(TINY["ml-1m"]["ratings.dat"])
    assert "part" not in movielens("1m", folder=tmp_path).name  # the whole goes first


@pytest.mark.parametrize("name", ["100k", "1m", "latest-small"])
def test_licence_is_shown(tiny, tmp_path, name):
    data = movielens(name, folder=lay(tmp_path, f"ml-{name}"))
    for text in (data.licence, repr(data), data._repr_html_()):
        assert "Harper and Konstan" in text
        assert "no commercial use" in text
        assert ("do not redistribute" in text) == (name != "latest-small")


def test_unknown_name():
    with pytest.raises(ValueError, match="'100k', '1m', 'latest-small'"):
        movielens("10m")


# --- where it is looked for -----------------------------------------------------------------------------


def test_order_of_places(tiny, tmp_path, monkeypatch):
    cache, shared, own = (tmp_path / part for part in ("cache", "shared", "own"))
    with pytest.raises(DataUnavailable, match="download=False"):
        movielens(download=False, fallback=False)
    broken = b"1\t3\t5\t880000000\n"
    lay(cache)
    assert len(movielens(download=False, fallback=False).ratings) == 3
    lay(shared, u_data=broken)
    monkeypatch.setenv("RECBYHAND_DATA", str(shared))
    with pytest.raises(DataDamaged, match="shared"):  # so it was looked at before the cache
        movielens()
    lay(own)
    assert len(movielens(folder=own).ratings) == 3
    assert len(movielens(folder=own / "ml-100k").ratings) == 3
    monkeypatch.setenv("RECBYHAND_DATA", str(tmp_path / "is not there"))
    assert len(movielens(download=False, fallback=False).ratings) == 3  # the cache again


def test_download_once_then_from_cache(tiny, tmp_path, monkeypatch, capfd):
    with serving(zipped(packed())) as (site, asked):
        monkeypatch.setattr(ml, "SITE", site)
        first, second = movielens(fallback=False), movielens(fallback=False)
    assert asked == ["/ml-100k.zip"]
    assert "downloading ml-100k" in capfd.readouterr().err  # the progress bar
    assert first.ratings.equals(second.ratings)
    assert sorted(os.listdir(tmp_path / "cache")) == ["ml-100k"]
    assert sorted(os.listdir(tmp_path / "cache" / "ml-100k")) == ["u.data", "u.item", "u.user"]


@pytest.mark.skipif(os.name == "nt", reason="no such permissions on Windows")
def test_others_on_a_shared_home_can_read_it(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(ml, "SITE", "unused")
    mask = os.umask(0o022)
    try:
        with serving(zipped(packed())) as (site, _):
            monkeypatch.setattr(ml, "SITE", site)
            movielens(folder=tmp_path / "home", fallback=False)
    finally:
        os.umask(mask)
    assert (tmp_path / "home" / "ml-100k").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "home" / "ml-100k" / "u.data").stat().st_mode & 0o777 == 0o644


# --- the download goes wrong ----------------------------------------------------------------------------


def test_http_error(tiny, monkeypatch, tmp_path):
    text = refusal(monkeypatch, tmp_path, (503, "text/html", b"<html>busy</html>"))
    assert "HTTP error 503" in text


def test_web_page_instead_of_zip(tiny, monkeypatch, tmp_path):
    page = b"<!DOCTYPE html><html><head><title>Campus login</title></head></html>"
    text = refusal(monkeypatch, tmp_path, (200, "text/html", page))
    assert "web page titled 'Campus login'" in text
    assert "log in" in text


def test_neither_zip_nor_page(tiny, monkeypatch, tmp_path):
    assert "not a zip archive: it begins with b'garbage'" in refusal(
        monkeypatch, tmp_path, zipped(b"garbage")
    )
    assert "not a zip archive" in refusal(monkeypatch, tmp_path, zipped(b""))


@pytest.mark.parametrize("kept", [0.3, 0.95])
def test_truncated_zip(tiny, monkeypatch, tmp_path, kept):
    whole = packed()
    text = refusal(monkeypatch, tmp_path, zipped(whole[: int(kept * len(whole))]))
    assert "incomplete or damaged" in text
    assert "run the cell again" in text


def test_flipped_byte_in_zip(tiny, monkeypatch, tmp_path):
    whole = bytearray(packed())
    whole[60] ^= 0xFF
    assert "incomplete or damaged" in refusal(monkeypatch, tmp_path, zipped(bytes(whole)))


def test_connection_breaks_off(tiny, monkeypatch, tmp_path):
    def half(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        handler.wfile.write(packed()[:200])

    assert "broke off" in refusal(monkeypatch, tmp_path, half)


@pytest.mark.parametrize("after", ["nothing", "half"])
def test_time_out(tiny, monkeypatch, tmp_path, after):
    monkeypatch.setattr(download_module, "TIMEOUT", (0.3, 0.3))
    release = threading.Event()

    def silent(handler):
        if after == "half":
            handler.send_response(200)
            handler.send_header("Content-Length", "100000")
            handler.end_headers()
            handler.wfile.write(packed()[:200])
        release.wait(20)

    start = time.monotonic()
    try:
        text = refusal(monkeypatch, tmp_path, silent)
    finally:
        release.set()
    assert time.monotonic() - start < 10
    assert "did not answer in time" in text or "timed out" in text


def test_no_network(tiny, monkeypatch, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setattr(ml, "SITE", f"http://127.0.0.1:{free.getsockname()[1]}/")
        with pytest.raises(DataUnavailable, match=r"No connection to 127\.0\.0\.1.*network") as caught:
            movielens(fallback=False)
    assert len(str(caught.value)) < 600  # a message, not a chain of nested exceptions
    assert "HTTPConnection" not in str(caught.value)


@pytest.fixture(scope="module")
def expired(tmp_path_factory) -> Path:
    """A certificate and key in one file, valid for the year 2000 only, made on the spot."""
    if not shutil.which("openssl"):
        pytest.skip("needs the openssl command")
    folder = tmp_path_factory.mktemp("certificate")
    (folder / "ca.cnf").write_text(
        "[ca]\ndefault_ca=x\n[x]\ndatabase=index.txt\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\npolicy=p\n"
        "x509_extensions=e\n[p]\ncommonName=supplied\n[e]\nsubjectAltName=IP:127.0.0.1\n"
        "basicConstraints=critical,CA:TRUE\n[req]\ndistinguished_name=d\n[d]\n"
    )
    (folder / "index.txt").touch()
    (folder / "serial").write_text("01\n")
    request = (
        "openssl req -config ca.cnf -new -newkey rsa:2048 -nodes -keyout key -out request -subj /CN=localhost"
    )
    sign = "openssl ca -batch -selfsign -config ca.cnf -keyfile key -in request -out cert -notext"
    year = " -startdate 20000101000000Z -enddate 20010101000000Z"
    for command in (request, sign + year):
        subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    both = folder / "both.pem"
    both.write_bytes((folder / "cert").read_bytes() + (folder / "key").read_bytes())
    return both


@pytest.mark.parametrize("case", ["expired", "self-signed"])
def test_certificate_is_refused(tiny, monkeypatch, tmp_path, expired, case):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(expired)
    if case == "expired":  # trusted, so that its age is all that is wrong with it
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(expired))
    text = refusal(monkeypatch, tmp_path, zipped(packed()), tls)
    assert "certificate of 127.0.0.1 was refused" in text
    assert "clock" in text
    assert ("expired" in text.split(")")[0]) == (case == "expired"), text


def test_wrong_hash(tiny, monkeypatch, tmp_path):
    other = TINY["ml-100k"]["u.data"].replace(b"\t5\t", b"\t4\t")
    text = refusal(monkeypatch, tmp_path, zipped(packed(u_data=other)))
    assert "u.data has the right rows and columns, but a value" in text
    assert ".part" not in text  # no path that is gone by now


def test_file_missing_in_zip(tiny, monkeypatch, tmp_path):
    text = refusal(monkeypatch, tmp_path, zipped(packed(u_item=None)))
    assert "no file ml-100k/u.item; it has ml-100k/u.data" in text


@pytest.mark.parametrize(
    "member", ["../evil", "ml-100k/../../evil", "/evil", "..\\evil", "C:\\evil", "C:evil"]
)
def test_path_tricks(tiny, monkeypatch, tmp_path, member):
    # Through `open`, as ZipFile.writestr on some systems tidies the name before it is stored.
    info = zipfile.ZipInfo("x")
    info.filename = member
    text = refusal(monkeypatch, tmp_path, zipped(packed(extra=[(info, b"evil")])))
    assert "outside its folder" in text
    assert not [path for path in tmp_path.rglob("*") if "evil" in path.name]
    assert not Path("/evil").exists()


def test_other_members_stay_packed(tiny, monkeypatch, tmp_path):
    with serving(zipped(packed(extra=[("ml-100k/mku.sh", b"#!/bin/sh"), ("other/u.data", b"x")]))) as (
        site,
        _,
    ):
        monkeypatch.setattr(ml, "SITE", site)
        movielens(fallback=False)
    found = sorted(path.name for path in (tmp_path / "cache").rglob("*") if path.is_file())
    assert found == ["u.data", "u.item", "u.user"]


def test_zip_bomb(tiny, monkeypatch, tmp_path):
    monkeypatch.setattr(download_module, "LARGEST", 1000)
    assert "refused" in refusal(monkeypatch, tmp_path, zipped(packed(u_data=b"0" * 100_000)))


@pytest.mark.parametrize("cause", ["a file is in the way", "permission", "read-only"])
def test_cache_cannot_be_written(tiny, monkeypatch, tmp_path, cause):
    cache = tmp_path / "cache"
    if cause == "a file is in the way":
        cache.write_text("")
    elif cause == "permission":
        if os.name == "nt" or os.geteuid() == 0:
            pytest.skip("this user may write everywhere")
        cache.mkdir(mode=0o555)
    else:

        def mkdir(self, *_, **__):
            raise OSError(30, "Read-only file system", str(self))

        monkeypatch.setattr(Path, "mkdir", mkdir)
    with serving(zipped(packed())) as (site, asked):
        monkeypatch.setattr(ml, "SITE", site)
        with pytest.raises(
            DataUnavailable, match=r"Cannot write to .*cache \(.+\)\. Make it writable.*RECBYHAND"
        ):
            movielens(fallback=False)
    assert asked == []  # found out before anything was downloaded


def test_disk_full(tiny, monkeypatch, tmp_path):
    def full(self, size):
        yield packed()[:100]
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(requests.Response, "iter_content", full)
    text = refusal(monkeypatch, tmp_path, zipped(packed()))
    assert "No space left on device" in text


def test_interrupt_leaves_nothing(tiny, monkeypatch, tmp_path):
    seen = []

    def stopped(self, size):
        yield packed()[:100]
        seen.extend((tmp_path / "cache").iterdir())
        raise KeyboardInterrupt

    monkeypatch.setattr(requests.Response, "iter_content", stopped)
    with serving(zipped(packed())) as (site, _):
        monkeypatch.setattr(ml, "SITE", site)
        with pytest.raises(KeyboardInterrupt):
            movielens()
    assert len(seen) == 1  # there was something to leave behind
    assert list((tmp_path / "cache").iterdir()) == []


def test_leftovers_of_a_killed_process(tiny, monkeypatch, tmp_path):
    cache = tmp_path / "cache"
    old, fresh = cache / ".ml-100k-0123.part", cache / ".ml-100k-4567.part"
    for left in (old, fresh):
        left.mkdir(parents=True)
        (left / "u.data").write_bytes(b"half")
    os.utime(old, (1e9, 1e9))
    with serving(zipped(packed())) as (site, _):
        monkeypatch.setattr(ml, "SITE", site)
        assert len(movielens(fallback=False).ratings) == 3
    assert not old.exists()
    assert fresh.exists()  # perhaps somebody is still at it


def test_appears_in_one_step_and_whole(tiny, monkeypatch, tmp_path):
    steps, rename = [], os.rename

    def watched(source, target):
        steps.append((sorted(os.listdir(source)), target.exists()))
        rename(source, target)
        steps.append((sorted(os.listdir(target)), target.exists()))

    monkeypatch.setattr(os, "rename", watched)
    with serving(zipped(packed())) as (site, _):
        monkeypatch.setattr(ml, "SITE", site)
        movielens(fallback=False)
    files = ["u.data", "u.item", "u.user"]
    assert steps == [(files, False), (files, True)]


def _student(site, cache, barrier, results):
    ml.SITE = site
    barrier.wait(30)
    try:
        results.put(len(movielens(folder=cache, fallback=False).ratings))
    except BaseException as error:
        results.put(repr(error))


@pytest.mark.skipif(sys.platform != "linux", reason="needs fork: the tiny releases live in this process")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_class_on_one_shared_home(tiny, tmp_path):
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(8), context.Queue()
    arrived = threading.Semaphore(0)

    def slow(handler):
        arrived.release()
        body = packed()
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        for at in range(0, len(body), 100):
            handler.wfile.write(body[at : at + 100])
            handler.wfile.flush()
            time.sleep(0.02)

    with serving(slow) as (site, asked):
        students = [
            context.Process(target=_student, args=(site, tmp_path / "home", barrier, results))
            for _ in range(8)
        ]
        for student in students:
            student.start()
        found = [results.get(timeout=60) for _ in students]
        for student in students:
            student.join(30)
    assert found == [3] * 8
    assert len(asked) >= 2  # they did collide
    assert os.listdir(tmp_path / "home") == ["ml-100k"]


# --- a local copy is damaged: never papered over --------------------------------------------------------

DATA, ITEM = TINY["ml-100k"]["u.data"], TINY["ml-100k"]["u.item"]
RATINGS_CSV, MOVIES_CSV = TINY["ml-latest-small"]["ratings.csv"], TINY["ml-latest-small"]["movies.csv"]


@pytest.mark.parametrize(
    ("name", "file", "raw", "says"),
    [
        ("100k", "u.item", None, "u.item cannot be read (No such file"),
        ("100k", "u.data", b"", "u.data is empty"),
        ("100k", "u.data", b"<html><body>Not found</body></html>", "u.data is a web page"),
        ("100k", "u.data", packed(), "compressed archive: unpack it"),
        ("100k", "u.data", DATA[: DATA.rindex(b"\t") - 2], "u.data was cut off in row 3 of 3"),
        ("100k", "u.data", DATA[: DATA.index(b"\n") + 1], "u.data has 1 rows, not 3: it was cut off"),
        ("100k", "u.data", DATA + DATA, "u.data has 6 rows, not 3"),
        (
            "100k",
            "u.data",
            DATA.replace(b"\t1\t3", b"\t1", 1),
            "row 2: 3 columns, not 4 ('2\\t1\\t880000001')",
        ),
        (
            "100k",
            "u.data",
            DATA.replace(b"\t3\t880", b"\tgood\t880"),
            "row 2: rating is 'good', not a number",
        ),
        (
            "100k",
            "u.data",
            DATA.replace(b"\t5\t", b"\t4\t"),
            "u.data has the right rows and columns, but a value",
        ),
        ("100k", "u.data", DATA.replace(b"\n", b"\r\n"), "line ends were changed"),
        ("100k", "u.item", ITEM.decode("latin-1").encode(), "u.item was saved anew in UTF-8"),
        ("100k", "u.item", b"\xef\xbb\xbf" + ITEM.decode("latin-1").encode(), "byte order mark"),
        ("100k", "u.item", ITEM.replace(b"||http://x", b"|http://x", 1), "row 1: 23 columns, not 24"),
        ("1m", "movies.dat", TINY["ml-1m"]["movies.dat"].replace(b"::", b",", 1), "row 1: 2 columns, not 3"),
        ("latest-small", "movies.csv", MOVIES_CSV.decode().encode("cp1252"), "row 3 is not UTF-8"),
        (
            "latest-small",
            "ratings.csv",
            RATINGS_CSV.replace(b",timestamp", b""),
            "lacks the column timestamp",
        ),
        ("latest-small", "ratings.csv", RATINGS_CSV.replace(b"964982703", b""), "row 2: timestamp is ''"),
    ],
)
def test_damaged_copy(tiny, monkeypatch, tmp_path, name, file, raw, says):
    monkeypatch.setenv(
        "RECBYHAND_DATA", str(lay(tmp_path / "data", f"ml-{name}", **{file.replace(".", "_"): raw}))
    )
    with serving(zipped(packed(f"ml-{name}"))) as (site, asked):
        monkeypatch.setattr(ml, "SITE", site)
        with pytest.raises(DataDamaged) as caught:
            movielens(name, download=True, fallback=True)
    assert asked == []
    text = str(caught.value)
    assert says in text
    assert f"ml-{name}" in text
    assert "Put the published file there again" in text


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (b"3::12::978301969", "row 4: 3 columns"),
        (b"3::12::x::978301969", "row 4: rating is 'x'"),
        (b"3::12::::978301969", "row 4: rating is ''"),
        (b"3::12::6::978301969", "a rating outside 1 to 5"),
        (b"5::12::3::978301969", "skips a user"),
    ],
)
def test_damage_beyond_the_hashed_part_of_1m(tiny, tmp_path, row, says):
    raw = b"".join(TINY["ml-1m"]["ratings.dat"].splitlines(keepends=True)[:3]) + row + b"\n"
    with pytest.raises(DataDamaged) as caught:
        movielens("1m", folder=lay(tmp_path, "ml-1m", ratings_dat=raw))
    assert says in str(caught.value)


def test_1m_cut_between_two_rows_beyond_the_hashed_part(tiny, tmp_path):
    raw = b"".join(TINY["ml-1m"]["ratings.dat"].splitlines(keepends=True)[:3])
    with pytest.raises(DataDamaged, match="has 3 rows, not 4: it was cut off"):
        movielens("1m", folder=lay(tmp_path, "ml-1m", ratings_dat=raw))


def test_checking_costs_milliseconds(tmp_path):
    raw = b"1\t1\t1\t880000000\n" * 125_000  # 2 MB
    (tmp_path / "u.data").write_bytes(raw)
    file = _pinned(ml.RELEASES["100k"].files[0], raw)
    costs = []
    for _ in range(5):
        start = time.process_time()
        ml._load(tmp_path, file)
        costs.append(time.process_time() - start)
    assert min(costs) < 0.03


# --- no copy, no network --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["100k", "1m", "latest-small"])
def test_stand_in(tiny, tmp_path, capsys, name):
    data = movielens(name)
    printed = capsys.readouterr().out
    for text in (data.note, printed, repr(data), data._repr_html_()):
        assert "NOT real films" in text
        assert "No connection to 127.0.0.1" in text
    assert data.name == f"stand-in for ml-{name}"
    assert "\n" not in data.note
    assert "Harper" not in data.licence
    real = movielens(name, folder=lay(tmp_path, f"ml-{name}"))
    for table in ("users", "items", "ratings"):
        assert list(getattr(data, table)) == list(getattr(real, table))
    assert data.ratings["time"].dtype == "int64"
    assert all(isinstance(genres, tuple) for genres in data.items["genres"])
    assert set(data.users.get("age", ())) <= set(ml.AGE_GROUPS)


def test_a_refused_download_falls_back_and_says_why(tiny, monkeypatch, capsys):
    with serving((200, "text/html", b"<html><title>Campus login</title></html>")) as (site, _):
        monkeypatch.setattr(ml, "SITE", site)
        assert "Campus login" in movielens().note
    assert "NOT real films" in capsys.readouterr().out


# --- the real files -------------------------------------------------------------------------------------

REAL = Path(
    os.environ.get("RECBYHAND_DATA") or Path(__file__).parents[2].parent / "shared" / "data"
).absolute()


def real(name, seconds):
    if not (REAL / f"ml-{name}").is_dir():
        pytest.skip(f"no copy of ml-{name} here")
    costs = []
    for _ in range(3):
        start = time.process_time()
        data = movielens(name, folder=REAL, download=False, fallback=False)
        costs.append(time.process_time() - start)
    assert min(costs) < seconds
    assert not data.ratings.isna().any().any()
    assert set(data.ratings["item"]) <= set(data.items["item"])
    assert data.ratings["user"].isin(data.users["user"]).all()
    assert data.items["item"].is_unique
    return data


def test_real_100k():
    data = real("100k", 0.3)
    assert (len(data.users), len(data.items), len(data.ratings)) == (943, 1682, 100_000)
    assert data.targets["label"].mean() == pytest.approx(0.55375)
    assert data.ratings.iloc[0].tolist() == [196, 242, 3, 881250949]
    assert data.users["age"].value_counts()["25-34"] == 310
    assert data.users["occupation"].nunique() == 21
    assert "Misérables, Les (1995)" in set(data.items["title"])
    assert data.items.query("year == 'unknown'")["item"].tolist() == [267]
    assert data.items["genres"].iloc[0] == ("Animation", "Children's", "Comedy")
    assert sum(map(len, data.items["genres"])) == 2893
    assert not data.items["title"].str.endswith(" ").any()


def test_real_1m():
    data = real("1m", 1.5)
    if "part" in data.name:
        assert (len(data.users), len(data.items), len(data.ratings)) == (2999, 3883, 487_650)
        assert data.name == "ml-1m (part: users 1-2999 of 6040)"
    else:
        assert (len(data.users), len(data.items), len(data.ratings)) == (6040, 3883, 1_000_209)
    assert data.ratings.iloc[0].tolist() == [1, 1193, 5, 978300760]
    assert "unknown" not in set(data.items["year"])
    assert data.users.iloc[0].tolist() == [1, "Under 18", "F", "K-12 student"]
    assert set(data.users["age"]) == set(ml.AGE_GROUPS)


def test_real_latest_small():
    data = real("latest-small", 0.6)
    assert (len(data.users), len(data.items), len(data.ratings)) == (610, 9742, 100_836)
    assert np.isin(data.ratings["rating"] * 2, range(1, 11)).all()
    assert (data.items["year"] == "unknown").sum() == 12
    assert "Misérables, Les (1995)" in set(data.items["title"])


@pytest.mark.parametrize("name", sorted(RELEASES))
def test_the_rows_told_of_a_file_are_those_it_has(name):
    """Of the files that are on this machine."""
    release, here = RELEASES[name], REAL
    files = [file for file in (*release.files, release.part) if file]
    there = [file for file in files if (here / release.folder / file.name).is_file()]
    if not there:
        pytest.skip("no real files: set RECBYHAND_DATA to a folder that has them")
    for file in there:
        lines = (here / release.folder / file.name).read_bytes().count(b"\n")
        assert lines - file.header == file.rows, file.name

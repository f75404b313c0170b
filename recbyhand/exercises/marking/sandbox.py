"""Walls around a process that runs what a student wrote.

`enter` is called in a fresh child, before any of the student's code, and builds as many walls as the machine allows:

    spaces      namespaces: no network, no other processes, an own view of the disk (root, or user namespaces)
    view        the disk: Python, this package without its exercises, data and results, read-only; an empty /tmp
    landlock    instead of a view, where there are no namespaces: the same folders, enforced by the kernel (Linux 5.13)
    seccomp     no new processes or programs, no sockets, no signals to others, no tracing (x86-64 and ARM, Linux)
    user        an account of its own, which owns nothing (if the marker runs as root)
    limits      CPU time, memory, size and number of files, number of processes (every Unix)

It returns which of them stand, and the marker prints what is missing. All of it is the kernel's own: nothing is
installed, and root is not needed. Only the standard library is used here.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import resource
import struct
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2]  # .../recbyhand
LAYERS = ("spaces", "view", "landlock", "seccomp", "user", "limits")
_libc = ctypes.CDLL(None, use_errno=True)

# clone flags, mount flags, prctl
_NEW = {"user": 0x10000000, "mount": 0x20000, "pid": 0x20000000, "net": 0x40000000, "ipc": 0x8000000}
_RDONLY, _NOSUID, _NODEV, _REMOUNT, _BIND, _REC, _PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18
_DEATHSIG, _DUMPABLE, _SUBREAPER, _NO_NEW_PRIVS, _SECCOMP, _BOUNDING_DROP = 1, 4, 36, 38, 22, 24


def _call(name: str, *args) -> int:
    out = getattr(_libc, name)(*args)
    if out < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return out


def prctl(option: int, value: int = 0) -> None:
    _call("prctl", option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0))


def die_with_parent() -> None:
    with contextlib.suppress(OSError, AttributeError):
        prctl(_DEATHSIG, 9)


def reap_orphans() -> None:
    with contextlib.suppress(OSError, AttributeError):
        prctl(_SUBREAPER, 1)


# What the student may see -----------------------------------------------------------------------------------


def visible() -> list[str]:
    """Folders and files that Python and a lesson need, as they are spelled here."""
    paths = ["/usr", "/lib", "/lib64", "/bin", sys.prefix, sys.base_prefix, sys.exec_prefix]
    paths += [
        f"/etc/{name}" for name in ("fonts", "localtime", "ld.so.cache", "passwd", "group", "mime.types")
    ]
    here = {"/", os.getcwd(), os.path.expanduser("~")}  # `python -m` adds the folder where it was started
    paths += [p for p in sys.path if p not in here and os.path.isdir(p) and not _holds_book(Path(p))]
    paths += [str(PACKAGE), str(PACKAGE.parent / "benchmarks" / "results")]
    if data := os.environ.get("RECBYHAND_DATA"):
        paths.append(os.path.abspath(data))
    paths.append(os.path.realpath(sys.executable))
    return [p for p in dict.fromkeys(paths) if os.path.exists(p)]


def hidden() -> list[str]:
    """What must not be seen even where a folder above it may: checks, solutions, tests."""
    root = PACKAGE.parent
    book = [root / name for name in ("chapters", "tests", "book", "_build", ".git", "binder")]
    return [str(PACKAGE / "exercises"), *(str(p) for p in book if _holds_book(root) and p.exists())]


def _holds_book(folder: Path) -> bool:
    return (folder / "recbyhand" / "exercises").is_dir() and (folder / "chapters").is_dir()


# Namespaces and a view of the disk --------------------------------------------------------------------------


def separate() -> bool:
    """Leave the parent's namespaces; the next child of this process is alone in the new ones."""
    flags = sum(value for name, value in _NEW.items() if name != "user")
    user, group = os.geteuid(), os.getegid()
    try:
        if user == 0:
            _call("unshare", flags)
        else:
            _call("unshare", flags | _NEW["user"])
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
            Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    except (OSError, AttributeError):
        return False
    return True


def _mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    words = [word.encode() or None for word in (source, target, kind)]
    _call("mount", *words, ctypes.c_ulong(flags), data.encode() or None)


def _show(source: str, root: str) -> None:
    """Bind `source` read-only to its own place below `root`."""
    target, real = root + source, os.path.realpath(source)
    if os.path.exists(target):  # it has come with a folder above it
        return
    if os.path.isdir(real):
        os.makedirs(target)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        Path(target).touch()
    _mount(real, target, flags=_BIND | _REC)
    kept = os.statvfs(target).f_flag & 0x140E  # flags of the original that an ordinary user may not take off
    with contextlib.suppress(OSError):
        _mount("", target, flags=_BIND | _REMOUNT | _RDONLY | _NOSUID | kept)


def narrow(root: str, megabytes: int) -> bool:
    """Build the view in the empty folder `root` and move into it. Needs the namespaces of `separate`."""
    places = {os.path.abspath(p) for p in visible()} | {os.path.realpath(p) for p in visible()}
    try:
        _mount("", "/", flags=_REC | _PRIVATE)
        _mount("tmpfs", root, "tmpfs", _NOSUID | _NODEV, "size=16m,mode=755")
        for place in sorted(places):
            if not any(place.startswith(f"{hole}/") for hole in hidden()):
                _show(place, root)
        for place in hidden():
            if os.path.isdir(root + place):
                _mount("tmpfs", root + place, "tmpfs", _NOSUID | _NODEV | _RDONLY, "size=4k,mode=755")
        os.mkdir(f"{root}/dev")
        for name in ("null", "zero", "urandom", "random"):
            Path(f"{root}/dev/{name}").touch()
            _mount(f"/dev/{name}", f"{root}/dev/{name}", flags=_BIND)
        os.mkdir(f"{root}/tmp")
        room = f"size={megabytes}m,nr_inodes=20k,mode=1777"
        _mount("tmpfs", f"{root}/tmp", "tmpfs", _NOSUID | _NODEV, room)
        os.mkdir(f"{root}/proc")
        with contextlib.suppress(OSError):  # some containers do not allow it: then there is none
            _mount("proc", f"{root}/proc", "proc", _NOSUID | _NODEV)
        os.mkdir(f"{root}/old")
        os.chdir(root)
        pivot = {"x86_64": 155, "aarch64": 41}.get(platform.machine(), -1)
        _call("syscall", pivot, b".", b"old")
        _call("umount2", b"/old", 2)  # the old disk is gone, not only out of sight
        os.chdir("/")
        _mount("", "/", flags=_REMOUNT | _RDONLY | _NOSUID | _NODEV)
        os.chdir("/tmp")
    except (OSError, AttributeError):
        return False
    return True


# Landlock ---------------------------------------------------------------------------------------------------

_READ = 1 << 0 | 1 << 2 | 1 << 3  # execute, read file, read folder
_ALL_OF_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}


def landlock(writable: str) -> bool:
    """Files: only `visible()` without `hidden()` can be read, only `writable` be written. Ports: none."""
    try:
        abi = _call("syscall", 444, None, ctypes.c_size_t(0), 1)
        rights = max(value for version, value in _ALL_OF_ABI.items() if version <= abi)
        ruled = struct.pack("QQQ", rights, 3 if abi >= 4 else 0, 3 if abi >= 6 else 0)
        size = 8 if abi < 4 else 16 if abi < 6 else 24
        rules = _call("syscall", 444, ruled, ctypes.c_size_t(size), 0)

        def allow(path: str, what: int) -> None:
            if not os.path.isdir(path):
                what &= 1 << 0 | 1 << 1 | 1 << 2 | 1 << 14  # those that a file can have
            handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
            try:
                _call("syscall", 445, rules, 1, struct.pack("=Qi", what & rights, handle), 0)
            finally:
                os.close(handle)

        for path in _without(visible(), hidden()):
            allow(path, _READ)
        for path in ("/dev/null", "/dev/urandom", "/dev/zero"):
            allow(path, _READ | 1 << 1)
        allow(writable, rights)
        prctl(_NO_NEW_PRIVS, 1)
        _call("syscall", 446, rules, 0)
        os.close(rules)
    except (OSError, AttributeError):
        return False
    return True


def _without(paths: list[str], holes: list[str]) -> list[str]:
    """The paths, with a folder that has a hole below it replaced by what stands beside the hole."""
    holes = [os.path.realpath(h) for h in holes]
    done, left = [], [os.path.realpath(p) for p in paths]
    while left:
        path = left.pop()
        if any(path == hole or path.startswith(f"{hole}/") for hole in holes):
            continue
        if any(hole.startswith(f"{path}/") for hole in holes):
            left += [entry.path for entry in os.scandir(path) if not entry.is_symlink()]
        else:
            done.append(path)
    return done


# Seccomp ----------------------------------------------------------------------------------------------------

# system call -> number on x86-64, on ARM
_FORBIDDEN = {
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "execveat": (322, 281),
    "kill": (62, 129),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_send_signal": (424, 424),
    "pidfd_open": (434, 434),
    "socket": (41, 198),
    "connect": (42, 203),
    "bind": (49, 200),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "bpf": (321, 280),
    "io_uring_setup": (425, 425),
    "userfaultfd": (323, 282),
    "perf_event_open": (298, 241),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "setpriority": (141, 140),
    "kcmp": (312, 272),
    "open_by_handle_at": (304, 265),
    "mq_open": (240, 180),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
}
_ARCH = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000


def seccomp() -> bool:
    """A filter on system calls that the process can never take off."""
    if sys.platform != "linux" or platform.machine() not in _ARCH or struct.calcsize("P") != 8:
        return False
    column, arch = _ARCH[platform.machine()]
    clone, clone3, tgkill, prlimit = ((56, 435, 234, 302), (220, 435, 131, 261))[column]

    def load(offset: int) -> tuple:
        return 0x20, 0, 0, offset

    def equal(value: int, yes: int, no: int) -> tuple:
        return 0x15, yes, no, value

    def give(value: int) -> tuple:
        return 0x06, 0, 0, value

    refuse, missing = _ERRNO | 1, _ERRNO | 38
    code = [load(4), equal(arch, 1, 0), give(_KILL), load(0)]
    if column == 0:
        code += [(0x35, 0, 1, 0x40000000), give(refuse)]  # the second set of numbers of x86
    for numbers in _FORBIDDEN.values():
        if numbers[column] is not None:
            code += [equal(numbers[column], 0, 1), give(refuse)]
    code += [equal(clone3, 0, 1), give(missing)]  # libc falls back to clone, whose flags can be seen
    code += [equal(clone, 0, 4), load(16), (0x45, 1, 0, 0x10000), give(refuse), give(_ALLOW)]  # threads only
    code += [equal(tgkill, 0, 4), load(16), equal(os.getpid(), 1, 0), give(refuse), give(_ALLOW)]
    code += [equal(prlimit, 0, 4), load(16), equal(0, 1, 0), give(refuse), give(_ALLOW)]
    code += [give(_ALLOW)]
    program = b"".join(struct.pack("HBBI", *step) for step in code)
    held = ctypes.create_string_buffer(program, len(program))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    try:
        prctl(_NO_NEW_PRIVS, 1)
        filled = Program(len(code), ctypes.addressof(held))
        _call(
            "prctl", _SECCOMP, ctypes.c_ulong(2), ctypes.byref(filled), ctypes.c_ulong(0), ctypes.c_ulong(0)
        )
    except (OSError, AttributeError):
        return False
    return True


# Limits, account --------------------------------------------------------------------------------------------


def limits(cpu: int, memory: int, files: int, size: int, data: int) -> None:
    """CPU seconds; bytes beyond the `size` and `data` that the process has now (0: unknown); bytes of a file."""

    def at_most(what: int, value: int) -> None:
        hard = resource.getrlimit(what)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(what, (value, value))

    at_most(resource.RLIMIT_CPU, max(1, cpu))
    if size:
        at_most(resource.RLIMIT_DATA, data + memory)
        at_most(resource.RLIMIT_AS, size + 2 * memory)
    at_most(resource.RLIMIT_FSIZE, files)
    at_most(resource.RLIMIT_NOFILE, 128)
    at_most(resource.RLIMIT_CORE, 0)
    if hasattr(resource, "RLIMIT_NPROC"):
        at_most(resource.RLIMIT_NPROC, _tasks_of(os.getuid()) + 64)
    for name in ("RLIMIT_MSGQUEUE", "RLIMIT_MEMLOCK"):
        if hasattr(resource, name):
            at_most(getattr(resource, name), 0)


def held(field: str) -> int:
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) * 1024
    return 0


def _tasks_of(user: int) -> int:
    """Threads that the account has already: the limit counts them, too."""
    count = 0
    with contextlib.suppress(OSError):
        for entry in os.scandir("/proc"):
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    if entry.stat().st_uid == user:
                        count += len(os.listdir(f"{entry.path}/task"))
    return count


def untouchable() -> None:
    """Nobody may look into this process, and it can do nothing that a student's could not."""
    with contextlib.suppress(OSError, AttributeError):
        prctl(_DUMPABLE, 0)
    become(None)


def open_to_all() -> bool:
    """Can every account read Python and the package? Not, for example, where they stand in root's own folder."""
    for path in visible():
        real = Path(path).resolve()
        if not all(p.stat().st_mode & 0o001 for p in real.parents):
            return False
        if real.is_dir() and real.stat().st_mode & 0o005 != 0o005:
            return False
    return True


def become(number: int | None) -> bool:
    """Take an account that owns nothing, if this one may (None: stay); and lay down all powers."""
    changed = False
    if os.geteuid() == 0 and number is not None:
        with contextlib.suppress(OSError):
            os.setgroups([])
            os.setresgid(number, number, number)
            os.setresuid(number, number, number)
            changed = True
    with contextlib.suppress(OSError, AttributeError):
        prctl(_NO_NEW_PRIVS, 1)
        for power in range(64):
            with contextlib.suppress(OSError):
                prctl(_BOUNDING_DROP, power)
        _call("capset", struct.pack("II", 0x20080522, 0), struct.pack("6I", *[0] * 6))
    return changed

"""A command made safe: the argument list that runs it inside bubblewrap, seeing only what it needs.

It knows paths, programs and limits; no trial, and nothing of what the command is for. The argument
list starts a warden (`warden`), which starts bubblewrap and holds what bubblewrap can't.

The environment is not on the command line, which every user of the machine can read: it is passed
on as the warden gets it. Whoever starts a confined command hands over no secrets; inside,
`/proc/1/environ` shows all of it, whatever is unset later.
"""

from __future__ import annotations

import os
import re
import shutil
import site
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from trialwright.errors import RunnerError
from trialwright.process.below import below, kind_of
from trialwright.process.parent import find_program

PATIENCE_S = 30.0
"""Seconds that the trial of a trivial command may take."""

OLDEST = (0, 8)
"""The first bubblewrap that bounds a tmpfs and forbids user namespaces inside."""

Access = Literal["readable", "writable", "frozen", "held"]
"""`held` is writable, but can't be renamed or removed: something below it is read-only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confinement:
    """What a command may see, write and use up. Paths are absolute and exist.

    Everything that the host itself reads or writes of a run (its log, how it ended) belongs outside
    of `writable`: what is inside may have become a link to anywhere.
    """

    writable: tuple[Path, ...]
    readable: tuple[Path, ...] = ()
    """Beside the system, and the interpreters that the command may need."""
    frozen: tuple[Path, ...] = ()
    """Files and folders within `writable` that can be read only."""
    network: bool = False
    """With it, all of the host's network is there: its loopback and abstract sockets, too."""
    processes: int | None = None
    """How many there may be at a time, threads included."""
    file_bytes: int | None = None
    """The largest file."""
    disk_bytes: int | None = None
    """What all files within `writable` take together; looked at about every second."""
    scratch_bytes: int = 1 << 30
    """The size of /tmp, which is also the home, and once more of /dev/shm; both are memory."""
    gpus: bool = False
    home: tuple[Path, ...] = ()
    """Paths below the user's home, given above, that a program looks for below its own home."""


def available() -> str:
    """Say why bubblewrap does not work here, and what to do; '' if it does.

    It runs a trivial command, as a container or the system may forbid what bubblewrap needs.
    """
    if not sys.platform.startswith("linux"):
        return "the sandbox needs Linux: bubblewrap is there only"
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        return "bubblewrap is not installed: apt-get install bubblewrap (dnf and pacman have it)"
    try:
        said = subprocess.run([bwrap, "--version"], capture_output=True, text=True, check=True)
        found = re.search(r"(\d+)\.(\d+)", said.stdout)
        if found is None or (int(found[1]), int(found[2])) < OLDEST:
            return f"{bwrap} is {said.stdout.strip()}: version 0.8 or newer is needed"
        tried = subprocess.run(
            confined(("true",), os.environ, Confinement(writable=()), Path("/tmp")),  # noqa: S108
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError, RunnerError) as error:
        return f"bubblewrap does not work here: {error}"
    return "" if tried.returncode == 0 else _remedy(tried.stderr.strip())


def _remedy(said: str) -> str:
    """What to do where bubblewrap is there and can't work."""
    told = f"bubblewrap does not work here ({said or 'it says nothing'})"
    if "mount proc" in said:
        return (
            f"{told}: the container hides parts of /proc: start it with"
            " --security-opt systempaths=unconfined, or as a privileged one"
        )
    if re.search(r"namespace|uid map|Operation not permitted|Permission denied", said):
        return (
            f"{told}: namespaces are forbidden. In a container, start it with"
            " --security-opt seccomp=unconfined --security-opt apparmor=unconfined; on Ubuntu,"
            " sysctl kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile for"
            " bwrap; elsewhere, see /proc/sys/user/max_user_namespaces"
        )
    return told


def confined(
    command: tuple[str, ...],
    environment: Mapping[str, str],
    confinement: Confinement,
    workdir: Path,
) -> tuple[str, ...]:
    """Return what to start so that `command` runs inside, with `workdir` as its folder.

    `environment` says where programs are found; it is to be the one that the result is started
    with. HOME and TMPDIR are set inside, and what points to sockets of the session is taken out.

    Raises:
        RunnerError: bubblewrap is not installed, or a path can't be confined.
    """
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        raise RunnerError(available())
    places = _places(confinement, needed(command, environment, workdir))
    limits = (confinement.processes, confinement.file_bytes, confinement.disk_bytes)
    return (
        *_warden(),
        *("" if limit is None else str(limit) for limit in limits),
        str(len(confinement.writable)),
        *map(os.path.realpath, confinement.writable),
        bwrap,
        *_namespaces(network=confinement.network),
        *_system(network=confinement.network),
        *_devices(confinement),
        *_at_home(confinement.home),
        *_mounts(places),
        *("--remount-ro", "/", "--chdir", str(workdir), "--"),
        # The warden, and bubblewrap on the host's side, outlive SIGTERM by ignoring it.
        *("env", "--default-signal=TERM"),
        *command,
    )


def _warden() -> tuple[str, ...]:
    """A bare interpreter, quick to start: no site-packages, nor what this package's root loads."""
    package = str(Path(__file__).resolve().parents[1])
    code = (
        f"import sys; root = type(sys)('trialwright'); root.__path__ = [{package!r}]; "
        "sys.modules['trialwright'] = root; from trialwright.process.warden import main; main()"
    )
    return (sys.executable, "-E", "-s", "-S", "-c", code)


# -- what is there


def _namespaces(*, network: bool) -> Iterator[str]:
    yield from ("--unshare-all", "--unshare-user", "--disable-userns")
    if network:
        yield "--share-net"
    # As root, bubblewrap would leave all capabilities.
    yield from ("--cap-drop", "ALL", "--uid", "1000", "--gid", "1000")
    yield from ("--die-with-parent", "--new-session")


_ETC = (
    "ld.so.cache",
    "alternatives",
    "localtime",
    "timezone",
    "fonts",
    "mime.types",
    "ssl/certs",
    "ssl/openssl.cnf",
    "pki/ca-trust/extracted",
    "pki/tls/certs",
    "crypto-policies",
)
_ETC_NETWORK = ("resolv.conf", "hosts", "nsswitch.conf", "services")
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")


def _system(*, network: bool) -> Iterator[str]:
    for path in _SYSTEM:
        if os.path.islink(path):  # noqa: PTH114
            yield from ("--symlink", os.readlink(path), path)  # noqa: PTH115
        else:
            yield from ("--ro-bind-try", path, path)
    for name in (*_ETC, *(_ETC_NETWORK if network else ())):
        yield from ("--ro-bind-try", os.path.realpath(f"/etc/{name}"), f"/etc/{name}")
    for name in ("cpu", "node"):  # how many cores there are, and where their memory is
        yield from ("--ro-bind-try", f"/sys/devices/system/{name}", f"/sys/devices/system/{name}")


def _devices(confinement: Confinement) -> Iterator[str]:
    """Everything that is memory is bounded, and nothing else of it can be written."""
    bounded = ("--perms", "1777", "--size", str(confinement.scratch_bytes), "--tmpfs")
    # Root owns the kernel's settings also without capabilities, if only by its number.
    yield from ("--proc", "/proc", "--remount-ro", "/proc")
    yield from ("--dev", "/dev", *bounded, "/dev/shm")  # noqa: S108
    if confinement.gpus:
        for device in sorted(map(str, Path("/dev").glob("nvidia*"))):
            yield from ("--dev-bind-try", device, device)
        for path in ("/dev/dri", "/dev/kfd", "/dev/dxg"):
            yield from ("--dev-bind-try", path, path)
        for path in ("/sys/bus/pci", "/sys/devices", "/sys/class/drm", "/sys/class/kfd"):
            yield from ("--ro-bind-try", path, path)
    yield from ("--remount-ro", "/dev", *bounded, "/tmp")  # noqa: S108


def _at_home(paths: tuple[Path, ...]) -> Iterator[str]:
    """Links in the home inside, which is scratch, to what lies in the user's."""
    for path in paths:
        if path.is_relative_to(Path.home()) and path != Path.home():
            place = Path("/tmp") / path.relative_to(Path.home())  # noqa: S108
            yield from ("--symlink", os.path.realpath(path), str(place))


# -- what the command needs


def needed(
    command: tuple[str, ...], environment: Mapping[str, str], workdir: Path
) -> tuple[Path, ...]:
    """Return the interpreters and libraries outside the system that a command may use.

    These are the command's own, those that are called `python` along PATH, an active environment,
    and this package with the interpreter that runs it. Of a program that Node runs, its package.
    """
    found = [Path(__file__).resolve().parents[1], Path(sys.prefix), Path(sys.base_prefix)]
    found += _installation(Path(sys.executable))
    path = environment.get("PATH", os.defpath)
    for name in (command[0], "python3", "python"):
        program = _found(name, path, workdir)
        if program is not None:
            found += _installation(program)
            found += _interpreter(program, path, workdir)
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        prefix = Path(environment.get(name, ""))
        if prefix.is_absolute() and _is_prefix(prefix):
            found += [prefix, *_installation(prefix / "bin" / "python")]
    for folder in environment.get("LD_LIBRARY_PATH", "").split(os.pathsep):
        if folder.startswith("/") and not _too_much(Path(folder)):
            found.append(Path(folder))
    there = (path for path in found if os.access(path, os.R_OK) and not _in_system(path))
    return tuple(dict.fromkeys(there))


def _found(name: str, path: str, workdir: Path) -> Path | None:
    try:
        return workdir / find_program(name, path)
    except OSError:
        return None


def _installation(program: Path) -> Iterator[Path]:
    """What has to be there for a program: whole interpreters along its links, else the files."""
    for _ in range(40):
        prefix = program.parent.parent
        if program.parent.name in ("bin", "shims") and _is_prefix(prefix):
            yield prefix
            home = _home(prefix)
            if home is not None:
                yield home
        else:
            yield program
            yield from _package(program)
        if not program.is_symlink():
            return
        program = Path(os.path.normpath(program.parent.resolve() / program.readlink()))


def _package(program: Path) -> Iterator[Path]:
    """The package of Node that a program belongs to, with what it brings along."""
    for folder in program.parents:
        if folder.parent.name == "node_modules" or folder.parent.name.startswith("@"):
            if (folder / "package.json").is_file() and not _too_much(folder):
                yield folder
            return


def _interpreter(script: Path, path: str, workdir: Path) -> Iterator[Path]:
    """What has to be there for the interpreter in a script's first line."""
    try:
        with script.open("rb") as file:
            first = file.readline(512)
    except OSError:
        return
    words = os.fsdecode(first[2:]).split() if first.startswith(b"#!") else []
    if words and words[0].endswith("/env"):
        words = [word for word in words[1:] if not word.startswith("-")]
    program = _found(words[0], path, workdir) if words else None
    if program is not None:
        yield from _installation(program)


def _is_prefix(folder: Path) -> bool:
    """Whether a folder is an installation of Python, and nothing beside."""
    if _too_much(folder) or _in_system(folder) or not os.access(folder, os.R_OK | os.X_OK):
        return False
    if (folder / "pyvenv.cfg").exists() or (folder / "conda-meta").is_dir():
        return True
    pyenv = (folder / "shims").is_dir() and (folder / "versions").is_dir()
    return pyenv or any((folder / "lib").glob("python3*"))


def _home(prefix: Path) -> Path | None:
    """Where a virtual environment has its standard library from."""
    try:
        found = re.search(r"^home\s*=\s*(.+)$", (prefix / "pyvenv.cfg").read_text(), re.MULTILINE)
    except OSError:
        return None
    home = Path(found[1].strip()).parent if found else None
    return home if home is not None and _is_prefix(home) else None


def _too_much(folder: Path) -> bool:
    """Whether a folder holds more than software: the user's home or what is above it."""
    folder = folder.resolve()
    personal = (Path.home(), Path.home() / ".local", Path(site.getuserbase()))
    return any(home.resolve().is_relative_to(folder) for home in personal)


def _in_system(path: Path) -> bool:
    return any(path.is_relative_to(folder) for folder in _SYSTEM)


# -- where it is mounted


def _places(confinement: Confinement, programs: tuple[Path, ...]) -> dict[str, Access | str]:
    """Return what is at each path: an access, or what a symbolic link there says."""
    access: dict[str, Access] = {}
    links: dict[str, str] = {}
    sorts: tuple[tuple[Access, tuple[Path, ...]], ...] = (
        ("readable", (*programs, *confinement.readable)),
        ("writable", confinement.writable),
        ("frozen", confinement.frozen),
    )
    for sort, paths in sorts:
        for path in paths:
            access[_checked(path, sort)] = sort
            links.update(_links(path))
    for place, sort in list(access.items()):
        above = _above(place, access)
        within = access[above[-1]] if above else None
        if sort == "frozen" and within in (None, "readable"):
            raise RunnerError(f"{place} is to be frozen, and is not within a writable folder")
        if sort != "writable" and within == "writable":
            # What is mounted can't be renamed or removed; a folder above it could be.
            for parent in Path(place).parents:
                if str(parent) == above[-1]:
                    break
                access.setdefault(str(parent), "held")
    shown = {link: to for link, to in links.items() if not _above(link, access)}
    return {**access, **shown}


def _checked(path: Path, sort: Access) -> str:
    """Return where a path really is."""
    if not path.is_absolute() or not path.exists():
        raise RunnerError(
            f"{path} is to be {sort} in the sandbox: it is no absolute path to a file"
        )
    if sort == "frozen" and path.is_symlink():
        raise RunnerError(f"{path} is to be frozen and is a symbolic link: say what it points to")
    real = os.path.realpath(path)
    if real in ("/", "/dev", "/etc", "/proc", "/run", "/sys", "/tmp", "/usr"):  # noqa: S108
        raise RunnerError(f"{path} is to be {sort} in the sandbox: name a folder in it, not all")
    return real


def _above(path: str, access: Mapping[str, Access]) -> list[str]:
    """Return which of the given paths are truly above a path, the nearest last."""
    return [
        str(parent)
        for parent in reversed(Path(path).parents)
        if access.get(str(parent), "held") != "held"
    ]


def _links(path: Path) -> Iterator[tuple[str, str]]:
    """Yield each symbolic link on the way to a path's target: where it is, and what it says."""
    at, rest = Path("/"), list(path.parts[1:])
    for _ in range(200):
        if not rest:
            return
        name = rest.pop(0)
        at = at.parent if name == ".." else at / name
        if at.is_symlink():
            target = str(at.readlink())
            if not _in_system(at):
                yield str(at), target
            at = Path("/") if target.startswith("/") else at.parent
            rest = [*(part for part in Path(target).parts if part != "/"), *rest]


def _mounts(places: Mapping[str, Access | str]) -> Iterator[str]:
    """What is deeper comes later, so that it lies over what is above it."""
    closed = _in_scratch(places)
    for top in closed:
        yield from ("--size", str(_LITTLE), "--tmpfs", top)
    for path in sorted(places, key=lambda path: (path.count("/"), path)):
        match places[path]:
            case "readable" | "frozen":
                yield from ("--ro-bind", path, path)
            case "writable" | "held":
                yield from ("--bind", path, path)
            case target:
                yield from ("--symlink", target, path)
    for top in closed:
        yield from ("--remount-ro", top)


_LITTLE = 1 << 20
"""Bytes for folders that hold only mounts."""


def _in_scratch(places: Mapping[str, Access | str]) -> list[str]:
    """Return folders of scratch that lead to places: there, they could be moved away."""
    found = set()
    for path in places:
        for scratch in ("/tmp/", "/dev/shm/"):  # noqa: S108
            top, _, deeper = path.removeprefix(scratch).partition("/")
            if path.startswith(scratch) and deeper and scratch + top not in places:
                found.add(scratch + top)
    return sorted(found)


# -- afterwards


def hazards(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield what a confined command may have left for the host to stumble over, with a reason.

    These are symbolic links that lead out of the folder, what is neither file nor folder, and
    programs that would run with their owner's rights.
    """
    root = os.path.realpath(folder)
    for entry in below(Path(root)):
        path = Path(entry.path)
        match kind_of(entry):
            case "link":
                if not Path(os.path.realpath(path)).is_relative_to(root):
                    yield path, "leads out of the folder"
            case "file":
                if path.lstat().st_mode & 0o6000:
                    yield path, "would run with its owner's rights"
            case "folder":
                pass
            case _:
                yield path, "is neither file nor folder"

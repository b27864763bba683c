"""Escapes from the sandbox, each tried from within, and the same outside, where it succeeds."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.process.confining import inside, needs_sandbox, outside, python, said
from trialwright.errors import RunnerError
from trialwright.execute import environment
from trialwright.process.sandbox import Confinement, available, confined, hazards, needed
from trialwright.process.syscalls import program
from trialwright.task import Environment

SECRET = "the-secret-of-the-host"

pytestmark = needs_sandbox


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A folder that the command may write to, beside others that it may not."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "key").write_text(SECRET)
    work = tmp_path / "work"
    work.mkdir()
    return work


# -- files

OPEN = """
import os, sys
for path in sys.argv[1:]:
    try:
        os.close(os.open(path, os.O_WRONLY | (0 if os.path.exists(path) else os.O_CREAT)))
        print(path)
    except OSError:
        pass
"""


def test_nothing_but_its_folder_and_scratch_can_be_written(work: Path) -> None:
    """Inside, files of the host can't be opened for writing or made, outside they can."""
    kept = [work.parent / "new", work.parent / "home" / "key", work.parent / "home" / "new"]
    free = [work / "new", Path("/tmp/new"), Path("/dev/shm/new"), Path("/dev/null")]
    done = inside(python(OPEN, *kept, *free), Confinement(writable=(work,)), work)
    assert said(done) == list(map(str, free))
    assert (work / "new").exists()
    assert not (work.parent / "new").exists()
    assert said(outside(python(OPEN, *kept), work)) == list(map(str, kept))


def test_the_system_can_t_be_written(work: Path) -> None:
    """Neither files of the system nor settings of the kernel, which belong to root by number."""
    kept = (
        *("/etc/passwd", "/etc/ld.so.cache", "/etc/new", "/usr/new", "/usr/bin/env", "/new"),
        *("/dev/new", "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname"),
        *("/proc/sysrq-trigger", "/proc/self/oom_score_adj", "/proc/self/uid_map"),
        *("/sys/devices/system/cpu/online", sys.executable),
    )
    done = inside(python(OPEN, *kept), Confinement(writable=(work,)), work)
    assert said(done) == []
    if os.getuid() == 0:
        harmless = ("/proc/sys/kernel/core_pattern", "/usr/bin/passwd", "/etc/passwd")
        there = [path for path in harmless if Path(path).exists()]
        assert said(outside(python(OPEN, *there), work)) == there


READ = """
import os, sys
for path in sys.argv[1:]:
    try:
        print(open(path).read() if not os.path.isdir(path) else ",".join(sorted(os.listdir(path))))
    except OSError:
        print("-")
"""


def test_what_is_not_allowed_is_not_there(work: Path) -> None:
    """Files beside the folder, of user and system, can't be read; what is granted can."""
    home = work.parent / "home"
    (work.parent / "data").mkdir()
    (work.parent / "data" / "x").write_text("data")
    wanted = (home / "key", home, work.parent / "data" / "x", work.parent, "/etc/shadow", "/run")
    confinement = Confinement(writable=(work,), readable=(work.parent / "data",))
    done = inside(python(READ, *wanted), confinement, work)
    assert said(done) == ["-", "-", "data", "data,work", "-", "-"]
    assert said(outside(python(READ, *wanted[:4]), work)) == [
        *(SECRET, "key", "data", "data,home,work")
    ]


def test_only_three_files_are_open(work: Path) -> None:
    """No descriptor of the host is handed in, by which its folders could be reached."""
    source = "import os; print(*sorted(os.listdir('/proc/self/fd'))[:-1])"
    assert said(inside(python(source), Confinement(writable=(work,)), work)) == ["0", "1", "2"]


ATTACKS = """
import os, sys

def overwrite(top):
    open(f"{top}/eval/metric.py", "w").write("forged")

def rename_over(top):
    open(f"{top}/eval/new", "w").write("forged")
    os.rename(f"{top}/eval/new", f"{top}/eval/metric.py")

def unlink(top):
    os.unlink(f"{top}/eval/metric.py")

def rename_away(top):
    os.rename(f"{top}/eval/metric.py", f"{top}/eval/old.py")

def swap_folder(top):
    os.rename(f"{top}/eval", f"{top}/old")
    os.mkdir(f"{top}/eval")
    open(f"{top}/eval/metric.py", "w").write("forged")

def swap_top(top):
    os.rename(top, f"{top}.old")
    os.makedirs(f"{top}/eval")
    open(f"{top}/eval/metric.py", "w").write("forged")

def swap_all(top):
    above = os.path.dirname(os.path.dirname(top))
    os.rename(above, f"{above}.old")
    os.rename(f"{above}.old", above)

def chmod(top):
    os.chmod(f"{top}/eval/metric.py", 0o777)

def touch(top):
    os.utime(f"{top}/eval/metric.py", (1, 1))

def hard_link(top):
    os.link(f"{top}/eval/metric.py", f"{top}/other")
    open(f"{top}/other", "w").write("forged")

def through_a_link(top):
    os.symlink(f"{top}/eval/metric.py", f"{top}/link")
    open(f"{top}/link", "w").write("forged")

def through_proc(top):
    open(f"/proc/self/root{top}/eval/metric.py", "w").write("forged")

def reopened(top):
    descriptor = os.open(f"{top}/eval/metric.py", os.O_RDONLY)
    open(f"/proc/self/fd/{descriptor}", "w").write("forged")

def add_to_a_frozen_folder(top):
    open(f"{top}/frozen/new", "w").write("forged")

def swap_a_frozen_folder(top):
    os.rename(f"{top}/frozen", f"{top}/thawed")

for name, attack in list(globals().items()):
    if callable(attack) and hasattr(attack, "__code__"):
        try:
            attack(f"{sys.argv[1]}/{name}")
            print(name)
        except OSError:
            pass
"""


def _frozen_trees(folder: Path) -> list[Path]:
    """Make a tree for each attack; return what of them is to be frozen."""
    names = [line[4:].split("(")[0] for line in ATTACKS.splitlines() if line.startswith("def ")]
    for name in names:
        (folder / name / "eval").mkdir(parents=True)
        (folder / name / "eval" / "metric.py").write_text("true")
        (folder / name / "frozen").mkdir()
    return [folder / name / part for name in names for part in ("eval/metric.py", "frozen")]


def test_what_is_frozen_stays_as_it_is(work: Path) -> None:
    """No way of writing, replacing or moving a frozen file succeeds inside; all do outside."""
    frozen = _frozen_trees(work)
    confinement = Confinement(writable=(work,), frozen=tuple(frozen))
    assert said(inside(python(ATTACKS, work), confinement, work)) == []
    for path in frozen:
        assert path.is_dir() or (path.read_text(), path.stat().st_mode & 0o777) == ("true", 0o644)
    free = work.parent / "free"
    _frozen_trees(free)
    assert len(said(outside(python(ATTACKS, free), work.parent))) * 2 == len(frozen)


def test_beside_what_is_frozen_work_goes_on(work: Path) -> None:
    """In the folder of a frozen file others are made, renamed and removed as ever."""
    (work / "eval").mkdir()
    (work / "eval" / "metric.py").write_text("true")
    source = """
import os
open("eval/new", "w").write("x")
os.rename("eval/new", "eval/newer")
os.mkdir("eval/deep")
os.remove("eval/newer")
print(open("eval/metric.py").read())
"""
    confinement = Confinement(writable=(work,), frozen=(work / "eval" / "metric.py",))
    assert said(inside(python(source), confinement, work)) == ["true"]
    assert sorted(path.name for path in (work / "eval").iterdir()) == ["deep", "metric.py"]


NAMESPACE = """
import ctypes, sys
libc = ctypes.CDLL(None)
forged, target = (path.encode() for path in sys.argv[1:])
user_and_mounts, bind = 0x10020000, 4096
if libc.unshare(user_and_mounts) == 0:
    print("entered")
libc.mount(forged, target, None, bind, None)
print(open(target).read())
"""


def test_mounts_can_t_be_changed(work: Path) -> None:
    """Neither as it is nor with a namespace of its own can a command lift a mount."""
    target, forged = work / "metric.py", work / "forged.py"
    target.write_text("true")
    forged.write_text("forged")
    script = (
        f"mount --bind {forged} {target} && echo bound;"
        f"umount {target} && echo unmounted;"
        f"mount -o remount,rw,bind {target} && echo writable;"
        f"cat {target}"
    )
    confinement = Confinement(writable=(work,), frozen=(target,))
    assert said(inside(("sh", "-c", script), confinement, work)) == ["true"]
    assert said(inside(python(NAMESPACE, forged, target), confinement, work)) == ["true"]
    if os.getuid() == 0:
        assert "bound" in said(outside(("unshare", "--mount", "sh", "-c", script), work))
        assert said(outside(python(NAMESPACE, forged, target), work)) == ["entered", "forged"]


def test_a_link_of_the_command_leads_nowhere_inside(work: Path) -> None:
    """A link to the host's files can be made, not followed, and the host finds it by `hazards`."""
    source = """
import os, sys
os.symlink(sys.argv[1], "link")
os.symlink("plain", "fine")
os.mkfifo("pipe")
os.makedirs("deep")
open("deep/program", "w").close()
os.chmod("deep/program", 0o4755)
try:
    open("link").read()
except OSError:
    print("refused")
"""
    key = work.parent / "home" / "key"
    assert said(inside(python(source, key), Confinement(writable=(work,)), work)) == ["refused"]
    assert (work / "link").read_text() == SECRET
    assert {(str(path.relative_to(work)), reason) for path, reason in hazards(work)} == {
        ("link", "leads out of the folder"),
        ("pipe", "is neither file nor folder"),
        ("deep/program", "would run with its owner's rights"),
    }


# -- processes

SEARCH = """
import glob, sys
for path in glob.glob("/proc/*/environ") + glob.glob("/proc/*/cmdline"):
    try:
        if sys.argv[1][::-1].encode() in open(path, "rb").read():
            print("found")
    except OSError:
        pass
"""


@contextmanager
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A process of the host with a secret in its environment."""
    process = subprocess.Popen(["sleep", "300"], env={"SECRET": SECRET, "PATH": os.defpath})
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_other_processes_are_out_of_sight_and_reach(work: Path) -> None:
    """The environment of a process of the host can't be read, and no signal reaches it."""
    signal_it = "import os, sys; os.kill(int(sys.argv[1]), 15)"
    with bystander() as process:
        confinement = Confinement(writable=(work,))
        found = inside(python(SEARCH, SECRET[::-1]), confinement, work)
        assert said(found) == []
        assert "found" in said(outside(python(SEARCH, SECRET[::-1]), work))
        done = inside(python(signal_it, process.pid), confinement, work)
        assert "ProcessLookupError" in done.stderr
        assert process.poll() is None
        said(outside(python(signal_it, process.pid), work))
        assert process.wait() == -15


def test_no_key_is_in_the_environment(work: Path) -> None:
    """Keys of the shell are in no environment that the command can read, nor on a command line."""
    shell = {"PATH": os.environ["PATH"], "ANTHROPIC_API_KEY": SECRET, "COLOUR": "blue-and-green"}
    clean = environment.inherited(shell, Environment())
    confinement = Confinement(writable=(work,))
    assert said(inside(python(SEARCH, SECRET[::-1]), confinement, work, clean)) == []
    assert "found" in said(inside(python(SEARCH, SECRET[::-1]), confinement, work, shell))
    show = "import os; print(os.environ['COLOUR'], os.environ['HOME'])"
    assert said(inside(python(show), confinement, work, clean)) == ["blue-and-green", "/tmp"]
    assert "blue-and-green" not in " ".join(confined(("true",), clean, confinement, work))


def test_sockets_of_the_session_are_not_named(work: Path) -> None:
    """Variables that lead to agents and buses of the user are taken out."""
    session = {"PATH": os.environ["PATH"], "SSH_AUTH_SOCK": "/run/a", "XDG_RUNTIME_DIR": "/run/b"}
    source = "import os; print(*{'SSH_AUTH_SOCK', 'XDG_RUNTIME_DIR'} & {*os.environ})"
    assert said(inside(python(source), Confinement(writable=(work,)), work, session)) == []
    assert len(said(outside(python(source), work, session))) == 2


def test_it_is_nobody_with_no_rights(work: Path) -> None:
    """Whoever starts it, the command is an ordinary user without capabilities."""
    source = """
import os
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(os.getuid(), *[int(status[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapBnd")],
      int(status["NoNewPrivs"]))
"""
    words = said(inside(python(source), Confinement(writable=(work,)), work))
    assert words == ["1000", "0", "0", "0", "0", "1"]


TERMINAL = """
import fcntl, os, pty, sys, termios
pid, master = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
said = b""
while True:
    try:
        part = os.read(master, 1000)
    except OSError:
        break
    if not part:
        break
    said += part
os.waitpid(pid, 0)
sys.stdout.write(said.decode())
"""
PUSH = """
import fcntl, termios
try:
    fcntl.ioctl(0, termios.TIOCSTI, b"x")
    print("pushed")
except OSError:
    print("refused")
"""


def test_nothing_can_be_typed_into_the_terminal(work: Path) -> None:
    """Started from a terminal, a command can't put words into its input (TIOCSTI)."""
    argv = confined(python(PUSH), os.environ, Confinement(writable=(work,)), work)
    assert "refused" in said(outside(python(TERMINAL, *argv), work))
    if os.getuid() == 0:
        assert "pushed" in outside(python(TERMINAL, *python(PUSH)), work).stdout


KEYS = """
import ctypes, os, sys
call = ctypes.CDLL(None, use_errno=True).syscall
call.restype = ctypes.c_long
add, control = (248, 250) if os.uname().machine == "x86_64" else (217, 219)
session = -3
if sys.argv[1:]:
    call(control, 1, None)
    if call(add, b"user", b"trialwright", b"the-key", 7, session) < 0:
        print("without")
    os.execv(sys.argv[1], sys.argv[1:])
read = ctypes.create_string_buffer(100)
key = call(control, 10, session, b"user", b"trialwright", 0)
call(control, 11, key, read, 100)
print(read.value.decode() or os.strerror(ctypes.get_errno()).replace(" ", "-"))
"""


@pytest.mark.skipif(not program(os.uname().machine), reason="nothing is refused on this processor")
def test_keyrings_are_out_of_reach(work: Path) -> None:
    """A key in the session's keyring, which no namespace hides, can't be read inside."""
    (seen,) = said(outside(python(KEYS, *python(KEYS)), work))[-1:]
    if seen != "the-key":
        pytest.skip(f"keyrings can't be used here: {seen}")
    argv = confined(python(KEYS), os.environ, Confinement(writable=(work,)), work)
    assert said(outside(python(KEYS, *argv), work)) == ["Operation-not-permitted"]


CALLS = """
import ctypes, os, struct, sys
call = ctypes.CDLL(None, use_errno=True).syscall
for number in sys.argv[1:]:
    ctypes.set_errno(0)
    call(ctypes.c_long(int(number)), 0, 0, 0, 0, 0, 0)
    print(os.strerror(ctypes.get_errno()).replace(" ", "-"))
"""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="numbers of one processor")
def test_some_system_calls_are_refused(work: Path) -> None:
    """Keyrings, BPF, io_uring and the second numbering are refused; what is not named is not."""
    refused = (248, 249, 250, 298, 321, 323, 425, 426, 427, 0x40000000 + 39)
    done = inside(python(CALLS, *refused, 39, 3), Confinement(writable=(work,)), work)
    assert said(done) == ["Operation-not-permitted"] * len(refused) + ["Success", "Success"]
    free = said(outside(python(CALLS, *refused), work))
    assert len([word for word in free if word != "Operation-not-permitted"]) > 5


# -- the network

CONNECT = """
import socket, sys
family, address = sys.argv[1:]
to = ("127.0.0.1", int(address)) if family == "tcp" else address.replace("@", chr(0))
try:
    with socket.socket(socket.AF_INET if family == "tcp" else socket.AF_UNIX) as connection:
        connection.connect(to)
        print(connection.recv(100).decode())
except OSError as error:
    print("refused")
"""


@contextmanager
def serving(listener: socket.socket) -> Iterator[list[str]]:
    """Greet whoever connects, and keep count."""
    greeted: list[str] = []
    listener.listen()

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.sendall(b"welcome")
                greeted.append("one")

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield greeted
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()


def test_the_network_is_not_there(work: Path) -> None:
    """A server on the host's loopback is out of reach, unless the network is granted."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    script = python(CONNECT, "tcp", listener.getsockname()[1])
    with serving(listener) as greeted:
        assert said(inside(script, Confinement(writable=(work,)), work)) == ["refused"]
        assert greeted == []
        assert said(outside(script, work)) == ["welcome"]
        granted = Confinement(writable=(work,), network=True)
        assert said(inside(script, granted, work)) == ["welcome"]


def test_sockets_of_the_host_are_not_there(work: Path) -> None:
    """Neither abstract sockets nor those in its file system can be reached."""
    for name in (f"@trialwright-{os.getpid()}", str(work.parent / "s")):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(name.replace("@", "\0"))
        script = python(CONNECT, "unix", name)
        with serving(listener):
            assert said(inside(script, Confinement(writable=(work,)), work)) == ["refused"]
            assert said(outside(script, work)) == ["welcome"]


def test_it_has_a_loopback_of_its_own(work: Path) -> None:
    """Processes of one run can talk to each other, by the name of the machine, too."""
    source = """
import socket
listener = socket.create_server(("localhost", 0))
socket.create_connection((socket.gethostname(), listener.getsockname()[1]))
print("heard")
"""
    assert said(inside(python(source), Confinement(writable=(work,)), work)) == ["heard"]


# -- what is there


def test_an_environment_is_there_with_its_interpreter(work: Path) -> None:
    """A virtual environment along PATH works, through links, and nothing beside it is seen."""
    home = work.parent / "home"
    venv.create(home / "env", symlinks=True)
    (site,) = (home / "env" / "lib").glob("python3*/site-packages")
    (site / "package.py").write_text("WORD = 'imported'")
    (work.parent / "link").symlink_to(home / "env")
    found = {"PATH": f"{work.parent / 'link' / 'bin'}:{os.defpath}"}
    source = "import os, package, sys; print(package.WORD, sys.prefix); open(sys.argv[1])"
    command = ("python", "-c", source, str(home / "key"))
    done = inside(command, Confinement(writable=(work,)), work, found)
    assert done.stdout.split() == ["imported", str(work.parent / "link")]
    assert "FileNotFoundError" in done.stderr


def test_gpus_are_there_if_granted(work: Path) -> None:
    """The devices of GPUs, and what libraries read about them, are there for those who use them."""
    source = """
import glob, os
print(*sorted(glob.glob("/dev/nvidia*") + glob.glob("/dev/kfd")), os.path.exists("/sys/devices"))
print(os.path.exists("/sys/bus/pci"))
"""
    host = said(outside(python(source), work))
    assert said(inside(python(source), Confinement(writable=(work,), gpus=True), work)) == host
    without = said(inside(python(source), Confinement(writable=(work,)), work))
    assert without == ["True", "False"]  # of /sys/devices only processors and their memory


def test_a_program_s_first_line_is_followed(work: Path) -> None:
    """The interpreter that a script names is there, as is the script."""
    home = work.parent / "home"
    venv.create(home / "env", symlinks=True)
    for line in (f"#!{home}/env/bin/python", "#!/usr/bin/env -S python -I"):
        (home / "tool").write_text(f"{line}\nimport sys; print(sys.prefix)")
        (home / "tool").chmod(0o755)
        found = {"PATH": f"{home / 'env' / 'bin'}:{os.defpath}"}
        command = (str(home / "tool"),)
        assert needed(command, found, work).count(home / "env") == 1
        done = inside(command, Confinement(writable=(work,)), work, found)
        assert said(done) == [str(home / "env")]


def test_a_home_is_not_mounted_for_a_program_in_it(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program in ~/bin or ~/.local/bin is there by itself, not with all that is around it."""
    home = work.parent / "home"
    monkeypatch.setenv("HOME", str(home))
    for folder in (home, home / ".local"):
        (folder / "lib" / "python3.11").mkdir(parents=True)
        (folder / "bin").mkdir()
        (folder / "bin" / "tool").write_text("#!/bin/sh\nls ~key $1")
        (folder / "bin" / "tool").chmod(0o755)
        found = needed((str(folder / "bin" / "tool"),), os.environ, work)
        assert folder / "bin" / "tool" in found
        assert not {home, home / ".local"} & {*found}


def test_a_folder_that_is_reached_by_a_link_is_there(work: Path) -> None:
    """A working directory behind a link has both its names."""
    (work.parent / "alias").symlink_to(work)
    alias = work.parent / "alias"
    (work / "here").write_text("found")
    source = "import sys; print(open('here').read(), open(sys.argv[1]).read())"
    done = inside(python(source, alias / "here"), Confinement(writable=(alias,)), alias)
    assert said(done) == ["found", "found"]


def test_the_deeper_path_counts(work: Path) -> None:
    """A folder to write to in one to read, and one to read in it again, in whatever order."""
    (work / "out" / "data").mkdir(parents=True)
    new = [work / "new", work / "out" / "new", work / "out" / "data" / "new"]
    confinement = Confinement(writable=(work / "out",), readable=(work / "out" / "data", work))
    assert said(inside(python(OPEN, *new), confinement, work)) == [str(new[1])]


def test_a_program_of_node_s_brings_its_package(work: Path) -> None:
    """A link in `bin` to a script of a package: the whole package is there, and nothing beside."""
    top = work.parent / "node"
    package = top / "lib" / "node_modules" / "@maker" / "agent"
    (package / "lib").mkdir(parents=True)
    (package / "package.json").write_text("{}")
    (package / "lib" / "part").write_text("part")
    (package.parent / "other").write_text("other")
    script = package / "cli.js"
    script.write_text(
        '#!/bin/sh\nread part < "$(dirname "$(readlink -f "$0")")/lib/part"; echo $part\n'
    )
    script.chmod(0o755)
    (top / "bin").mkdir()
    (top / "bin" / "agent").symlink_to("../lib/node_modules/@maker/agent/cli.js")
    environment = {**os.environ, "PATH": f"{top / 'bin'}:{os.environ['PATH']}"}
    assert package in needed(("agent",), environment, work)
    assert said(inside(("agent",), Confinement(writable=(work,)), work, environment)) == ["part"]
    assert not any(
        (package.parent / "other").is_relative_to(path)
        for path in needed(("agent",), environment, work)
    )


def test_what_can_t_be_confined_is_refused(work: Path) -> None:
    """Paths that are not there, whole systems, and frozen files that nobody could write anyway."""
    (work.parent / "link").symlink_to(work)
    for confinement, word in (
        (Confinement(writable=(work / "none",)), "no absolute path"),
        (Confinement(writable=(work,), readable=(Path("/"),)), "not all"),
        (Confinement(writable=(work,), frozen=(work.parent / "home",)), "not within"),
        (Confinement(writable=(work.parent,), frozen=(work.parent / "link",)), "symbolic link"),
    ):
        with pytest.raises(RunnerError, match=word):
            confined(("true",), os.environ, confinement, work)


# -- whether it is there


def test_it_says_why_it_does_not_work(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without bubblewrap, and where namespaces are forbidden, it says so and what to do."""
    assert available() == ""
    source = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "from trialwright.process.sandbox import available; print(available())"
    )
    root = Path(__file__).parents[2] / "src"
    done = inside(python(source, root), Confinement(writable=(work,)), work)
    assert "namespaces are forbidden" in done.stdout, done.stderr
    monkeypatch.setenv("PATH", str(work))
    assert "apt-get install bubblewrap" in available()
    with pytest.raises(RunnerError, match="apt-get"):
        confined(("true",), os.environ, Confinement(writable=(work,)), work)

"""The script that broken studies train: it keeps a book of its own, and misbehaves if told to.

Its one argument is `x`. `BOOK` is a file that every run appends to when it begins and when it has
ended, `PACE` the seconds that `x = 1` takes per step; with `NAUGHTY`, every third trial misbehaves.
Standard library only: it is started tens of thousands of times.
"""

import json
import os
import signal
import sys
import time

TRIAL = int(os.environ["TRIALWRIGHT_TRIAL"])
RUN = os.environ["TRIALWRIGHT_RUN"].rpartition("#")[2]
NOT_NUMBERS = ("NaN", "Infinity", "-Infinity", "1e999")


def book(event: str) -> None:
    """Append a line to the book, in one write."""
    line = json.dumps([event, TRIAL, RUN, sys.argv[1], os.getpid()])
    descriptor = os.open(os.environ["BOOK"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(descriptor, (line + "\n").encode())
    os.close(descriptor)


def say(value: str, *, step: int, final: bool = False) -> None:
    """Report the metric, `value` being JSON or what some scripts take for it."""
    end = ', "final": true' if final else ""
    print(f'@trialwright {{"step": {step}, "y": {value}{end}}}', flush=True)


def leave_a_daemon() -> None:
    """Leave a process behind: in a session of its own, parentless, deaf, and without our names."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() > 0:
            os._exit(0)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for descriptor in range(3):
            os.close(descriptor)
        # Only its first word tells whose it is: the audit finds it by that.
        os.execve("/bin/sleep", [os.environ["MARK"], "600"], {})
    os.wait()


def ignore_sigterm() -> None:
    """Hang, and don't go when asked."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    say("0.5", step=0)
    time.sleep(600)


def flood() -> None:
    """Print some megabytes, metrics among them."""
    for _ in range(40):
        print(("noise " * 20 + "\n") * 1500, end="", flush=True)
        say("0.25", step=0)


def main() -> None:
    """Train, such as it is."""
    book("start")
    x = float(sys.argv[1])
    naughty = os.environ.get("NAUGHTY", "") if TRIAL % 3 == 1 else ""
    if naughty == "forks":
        leave_a_daemon()
    elif naughty == "ignores-sigterm":
        ignore_sigterm()
    elif naughty == "floods":
        flood()
    for step in range(1, 4):
        say(repr(-x * x - 1 / step), step=step)
        time.sleep(float(os.environ["PACE"]) * (0.1 + abs(x)))
    value = NOT_NUMBERS[TRIAL // 3 % len(NOT_NUMBERS)] if naughty == "nan" else repr(-x * x)
    say(value, step=4, final=True)
    book("nan" if naughty == "nan" else "end")
    os._exit(0)


if __name__ == "__main__":
    main()

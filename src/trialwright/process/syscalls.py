"""Which system calls a confined command is refused: what namespaces do not hold.

The kernel's keyrings are the user's, in whatever namespace; the rest is what computing needs least
and flaws of kernels were found in most. It knows two processors; elsewhere nothing is refused.
Standard library only.
"""

from __future__ import annotations

import errno
import struct

_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER, _PROCESSOR, _SECOND_ARGUMENT = 0, 4, 24
_ALLOW = 0x7FFF0000
_REFUSE = 0x00050000 | errno.EPERM

_EVERYWHERE = (425, 426, 427)  # io_uring_setup, io_uring_enter, io_uring_register

_MACHINES = {
    # The kernel's number; ioctl; add_key, request_key, keyctl, perf_event_open, bpf, userfaultfd
    "x86_64": (0xC000003E, 16, (248, 249, 250, 298, 321, 323)),
    "aarch64": (0xC00000B7, 29, (217, 218, 219, 241, 280, 282)),
}
_OTHER_ABI = 0x40000000
"""From this number on, system calls of x86-64 are the same in a second numbering."""

_TYPING = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX


def program(machine: str) -> bytes:
    """Return the filter for the kernel, as bubblewrap reads it; b'' where there is none."""
    if machine not in _MACHINES:
        return b""
    processor, ioctl, numbers = _MACHINES[machine]
    refused = (*numbers, *_EVERYWHERE)
    # Behind the tests of the number: refuse, allow, and the tests of what ioctl is asked for.
    tests = [(_EQUAL, number, "refuse") for number in refused]
    tests = [(_AT_LEAST, _OTHER_ABI, "refuse"), *tests, (_EQUAL, ioctl, "ioctl")]
    ends = {"refuse": len(tests) + 1, "ioctl": len(tests) + 2}
    lines = [
        (_LOAD, 0, 0, _PROCESSOR),
        (_EQUAL, 1, 0, processor),
        (_RETURN, 0, 0, _REFUSE),
        (_LOAD, 0, 0, _NUMBER),
        *((test, ends[end] - at - 1, 0, number) for at, (test, number, end) in enumerate(tests)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
        (_LOAD, 0, 0, _SECOND_ARGUMENT),
        *((_EQUAL, len(_TYPING) - at, 0, asked) for at, asked in enumerate(_TYPING)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)

"""Where a command's output goes under --json and --quiet: of Python, of C libraries and of processes that it starts."""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import TextIO

_NUMBERS = {"stdout": 1, "stderr": 2}


@contextlib.contextmanager
def sent(*, as_json: bool, quiet: bool, answers: bool) -> Iterator[TextIO]:
    """Send stdout and stderr where the options want them, and yield the stream that the command's last word goes to.

    as_json: all that is printed goes to stderr. quiet: nothing goes to stderr, and nothing to stdout either, unless what is printed
    there is what was asked for (answers).
    """
    with contextlib.ExitStack() as stack:
        last = sys.stdout
        if quiet:
            nowhere = stack.enter_context(open(os.devnull, "w"))
            stack.enter_context(_redirected("stderr", nowhere))
            if not answers and not as_json:
                last = stack.enter_context(_redirected("stdout", nowhere))
        if as_json:
            last = stack.enter_context(_redirected("stdout", sys.stderr))
        yield last


@contextlib.contextmanager
def _redirected(name: str, target: TextIO) -> Iterator[TextIO]:
    """Send one of Python's streams elsewhere, with the file descriptor below it; yield a stream to where it went before."""
    stream, number = getattr(sys, name), _NUMBERS[name]
    if _descriptor(stream) != number or _descriptor(target) is None:  # somebody's own stream, such as a test's
        setattr(sys, name, target)
        try:
            yield stream
        finally:
            setattr(sys, name, stream)
        return
    stream.flush()
    before = os.dup(number)
    os.dup2(target.fileno(), number)
    try:
        with open(os.dup(before), "w", encoding=stream.encoding) as last:
            yield last
    finally:
        stream.flush()
        os.dup2(before, number)
        os.close(before)


def _descriptor(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except (OSError, ValueError, AttributeError):
        return None

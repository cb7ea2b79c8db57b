"""The streams as this program needs them: there, and stdout able to take whatever a file may be called."""

import contextlib
import os
import sys

__all__ = ["whole"]


@contextlib.contextmanager
def whole():
    """A block in which stdout prints every text, and all streams may be used though they were closed.

    Names of files that are no text in the encoding of stdout are printed with backslashes. Streams that
    somebody else put in the place of the process's own stay.
    """
    with contextlib.ExitStack() as stack:
        if sys.stderr is None:  # 2>&-
            _replace(stack, "stderr", open(os.devnull, "w"))  # noqa: SIM115, closed with the block
        if sys.stdin is None:
            _replace(stack, "stdin", open(os.devnull))  # noqa: SIM115
        if sys.stdout is None:
            _replace(stack, "stdout", open(os.devnull, "w"))  # noqa: SIM115
        elif sys.stdout is sys.__stdout__:
            _replace(stack, "stdout", _printing_all(sys.stdout))
        yield


def _printing_all(stream):
    """The same file, with backslashes for what its encoding lacks; reconfigure came with Python 3.7."""
    stream.flush()
    return open(stream.fileno(), "w", encoding=stream.encoding, errors="backslashreplace", closefd=False)


def _replace(stack, name, stream):
    before = getattr(sys, name)
    stack.callback(_put_back, name, stream, before)
    setattr(sys, name, stream)


def _put_back(name, stream, before):
    setattr(sys, name, before)
    with contextlib.suppress(OSError):  # what could not be written was told before
        stream.close()

"""The process one model is measured in: a line of JSON in, a line of JSON out.

A process of its own makes its peak memory that of the model, and its death that of the model alone. Replies
go over a private copy of stdout; whatever a library prints lands in stderr. It ends when its parent does.
"""

import ctypes
import json
import os
import signal
import sys
import traceback

from edgeshrink_device.errors import DeviceError

__all__ = ["die_with_parent", "main", "serve"]

PR_SET_PDEATHSIG = 1
INTERRUPTED = 130


def main():
    """Serve requests to a `Measurement` from stdin until it closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    serve(_measurement)


def serve(make):
    """Answer requests {"command", "arguments"} from stdin until it closes.

    Args:
        make: Makes what answers them: an object whose methods named in `COMMANDS` take and return what JSON
            can carry. Called when stdout is private.
    """
    die_with_parent()
    replies = _private_stdout()
    handler = make()
    try:
        for line in iter(sys.stdin.readline, ""):
            reply = _answer(handler, json.loads(line))
            replies.write(json.dumps(reply) + "\n")
            replies.flush()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    finally:
        getattr(handler, "close", int)()


def _measurement():
    from edgeshrink_device.measuring import Measurement  # after stdout is private: numpy may print

    return Measurement()


def _answer(handler, request):
    try:
        if request["command"] not in handler.COMMANDS:
            raise DeviceError("the worker knows no command '{}'".format(request["command"]))
        return {"result": getattr(handler, request["command"])(**request["arguments"])}
    except DeviceError as error:
        kept = ("message", "hint", "exit_status", "emulated")
        return {"error": {name: getattr(error, name) for name in kept}}
    except Exception as error:
        message = "{}: {}".format(type(error).__name__, str(error).split("\n")[0])
        return {"error": {"message": message, "traceback": traceback.format_exc()}}


def _private_stdout():
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return replies


def die_with_parent():
    """Ask Linux to kill this process when its parent dies; elsewhere the closing of stdin must do."""
    parent = os.getppid()
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    except (OSError, AttributeError):
        return
    if os.getppid() != parent:
        os._exit(1)

"""What a user is told when something cannot go on, and the exit status that goes with it."""

__all__ = ["DeviceError", "InputError"]


class DeviceError(Exception):
    """The work failed. Exit status 1.

    Args:
        message: What is wrong and with which file.
        hint: What the user can do about it, as a full sentence; may be empty.
        exit_status: 1 the work failed, 2 the call or a file it names is wrong; the class's own unless given.

    Attributes:
        emulated: Whether it is a stand-in's word, not the device's.
    """

    exit_status = 1
    emulated = False

    def __init__(self, message, hint="", exit_status=None):
        super().__init__(message)
        self.message = message
        self.hint = hint
        if exit_status is not None:
            self.exit_status = exit_status

    def __str__(self):
        return "{}\n{}".format(self.message, self.hint) if self.hint else self.message


class InputError(DeviceError):
    """The call or a file it names is wrong. Exit status 2."""

    exit_status = 2

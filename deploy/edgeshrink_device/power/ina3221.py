"""`ina3221`: the power meters on Jetson boards, from /sys, without root and without another process.

Two drivers show the same chip. L4T up to 32 (`ina3221x`): rail_name_{0,1,2} and in_power{n}_input in mW. From
34 on (`ina3221`, hwmon; kernel.org Documentation/hwmon/ina3221): in{1,2,3}_label, in{n}_input in mV and
curr{n}_input in mA, and no power: it is their product. A Thor's carrier has an INA238 (`power1_input`, in uW)
at its input, which tegrastats prints as VIN. Numbers of hwmon folders change from boot to boot.
"""

import glob
import os

from edgeshrink_device import boards, sysroot
from edgeshrink_device.errors import DeviceError
from edgeshrink_device.power import SOURCES, SampledSource

__all__ = ["Ina3221"]

OLD = "/sys/bus/i2c/drivers/ina3221x/*/iio:device*"
NEW = "/sys/bus/i2c/drivers/ina3221/*/hwmon/hwmon*"
BY_NAME = "/sys/class/hwmon/hwmon*"
NOT_RAILS = ("NC", "")  # not connected
INPUT_METERS = ("ina238", "ina237")
SHUNT_STEP_UV = 40.0  # least step of the shunt's voltage, datasheet of the INA3221
FULL_SCALE_MV = 32760  # the bus voltage's register is full: nothing true behind it
FAILURES = 10  # readings in a row that may fail before the meter is given up
STEP_EVERY = 10  # readings between two looks at the current alone
MOST_CURRENTS = 256


@SOURCES.register("ina3221")
class Ina3221(SampledSource):
    """The rails that together are the whole board, by `boards.total_rails`."""

    priority = 40
    jetson_only = True
    merit = "the board's own meters, read without a process in between"

    def __init__(self):
        self._rails, self._reason, self._most_w = (), "", float("inf")
        self._failed = 0
        found = _channels()
        if not found:
            self._reason = "no INA3221 meter in {}".format(sysroot.path("/sys"))
            return
        board = boards.detect()
        total, self.covers, reason = boards.total_rails(board, [rail.name for rail in found])
        if reason:
            self._reason = reason
            return
        self._most_w = boards.most_watts(board)
        first = {rail.name: rail for rail in reversed(found)}
        self._rails = tuple(first[name] for name in total)
        self.rails = total

    @property
    def resolution_w(self):
        """The step of the sum: those of its rails added, since they may all round the same way."""
        steps = [rail.step_w() for rail in self._rails]
        return None if not steps or None in steps else sum(steps)

    def unavailable(self):
        """Why the meters cannot be read; empty when they can."""
        if self._reason:
            return self._reason
        for rail in self._rails:
            try:
                rail.watts()
            except OSError as error:
                return "{} cannot be read ({})".format(error.filename or rail.folder, error.strerror or error)
            except ValueError:
                return "{}: rail {} holds no number".format(rail.folder, rail.name)
        return ""

    def start(self):
        """Read how long the meters average."""
        windows = [rail.window_s() for rail in self._rails]
        self.window_s = None if None in windows else max(windows)
        self._failed = 0

    def read(self):
        """The sum of the rails, watts; None for a reading that failed or cannot be true.

        Raises:
            DeviceError: Ten readings in a row failed.
        """
        try:
            watts = sum(rail.watts() for rail in self._rails)
            true = 0 < watts < self._most_w  # a board that runs draws something; more is a fault of the bus
        except (OSError, ValueError) as error:
            true, cause = False, getattr(error, "strerror", None) or error
        else:
            cause = "{:.3f} W cannot be".format(watts)
        self._failed = 0 if true else self._failed + 1
        if self._failed >= FAILURES:
            raise DeviceError("the power meter can no longer be read ({})".format(cause))
        return watts if true else None


class _Channel:
    """One rail of one meter.

    Attributes:
        name: The rail's name.
        folder: Where its files are.
    """

    def __init__(self, folder, name, number):
        self.folder, self.name, self._number = folder, name, number
        self._reads, self._currents, self._volts = 0, set(), None

    def watts(self):
        """Power now. OSError or ValueError where there is none."""
        raise NotImplementedError

    def window_s(self):
        """Seconds a value is the mean of, None where the driver does not tell."""
        return

    def step_w(self):
        """The least step of the power, at the voltage read last; None where it is not known."""
        if self._volts is None or len(self._currents) < 3:
            return None
        ordered = sorted(self._currents)
        return min(b - a for a, b in zip(ordered, ordered[1:])) * self._volts / 1000.0

    def _look(self, millivolts, milliamperes):
        self._volts = millivolts / 1000.0
        if len(self._currents) < MOST_CURRENTS:
            self._currents.add(milliamperes)

    def _read(self, file):
        return _integer(os.path.join(self.folder, file.format(self._number)))


class _OldChannel(_Channel):
    def watts(self):
        if self._reads % STEP_EVERY == 0:
            try:
                self._look(self._read("in_voltage{}_input"), self._read("in_current{}_input"))
            except (OSError, ValueError):
                pass  # the step stays unknown; the power itself is in another file
        self._reads += 1
        return self._read("in_power{}_input") / 1000.0


class _NewChannel(_Channel):
    def watts(self):
        millivolts, milliamperes = self._read("in{}_input"), self._read("curr{}_input")
        if millivolts >= FULL_SCALE_MV:
            raise ValueError("{} mV is the end of the meter's scale".format(millivolts))
        self._look(millivolts, milliamperes)
        return millivolts * milliamperes / 1e6

    def window_s(self):
        milliseconds = sysroot.read_number(os.path.join(self.folder, "update_interval"))
        return milliseconds / 1000.0 if milliseconds and milliseconds > 0 else None

    def step_w(self):
        microohms = sysroot.read_number(os.path.join(self.folder, "shunt{}_resistor".format(self._number)))
        if not microohms or microohms < 0 or self._volts is None:
            return super().step_w()
        return SHUNT_STEP_UV / microohms * self._volts


class _InputChannel(_Channel):
    """An INA238 or INA237 (kernel.org Documentation/hwmon/ina238): microwatts in one file."""

    def watts(self):
        return self._read("power{}_input") / 1e6

    def window_s(self):
        milliseconds = sysroot.read_number(os.path.join(self.folder, "update_interval"))
        return milliseconds / 1000.0 if milliseconds and milliseconds > 0 else None


def _channels():
    """Every rail of every meter, as `_Channel`s."""
    old = [_old(folder) for folder in sorted(glob.glob(sysroot.path(OLD)))]
    new = [_new(folder) for folder in sorted(glob.glob(sysroot.path(NEW)))]
    named = sorted(glob.glob(sysroot.path(BY_NAME)))
    if not any(new):
        new = [_new(folder) for folder in named if _text(folder, "name") == "ina3221"]
    inputs = [[_InputChannel(folder, "VIN", 1)] for folder in named if _text(folder, "name") in INPUT_METERS]
    return [channel for found in old + new + inputs for channel in found]


def _old(folder):
    names = [(number, _text(folder, "rail_name_{}".format(number))) for number in range(3)]
    return [_OldChannel(folder, name, number) for number, name in names if name not in NOT_RAILS]


def _new(folder):
    """Channels 1 to 3; in7, "Sum of shunt voltages", is none and has no current of its own."""
    names = [(number, _text(folder, "in{}_label".format(number))) for number in (1, 2, 3)]
    return [_NewChannel(folder, name, number) for number, name in names if name not in NOT_RAILS]


def _text(folder, file):
    return sysroot.read_text(os.path.join(folder, file)) or ""


def _integer(path):
    """As `sysroot.read_number`, but a file that cannot be read raises: sysfs tells why."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return int(os.read(descriptor, 64))
    finally:
        os.close(descriptor)

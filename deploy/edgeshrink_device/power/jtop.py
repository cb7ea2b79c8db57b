"""`jtop`: the rails that the service of jetson-stats tells, where its owner has installed it.

Used through its public interface alone, and only when the module can be imported and its service answers. Its
own total is not taken: on some boards it is a sum of rails that hold each other.
"""

from edgeshrink_device import boards, sysroot
from edgeshrink_device.errors import DeviceError
from edgeshrink_device.power import SOURCES, SampledSource

__all__ = ["Jtop"]


@SOURCES.register("jtop")
class Jtop(SampledSource):
    """The rails that together are the whole board, by `boards.total_rails`."""

    priority = 15
    jetson_only = True
    merit = "what the service of jetson-stats tells"
    streaming = True
    interval_s = 0.5

    def __init__(self):
        self.emulated = sysroot.emulated()
        self._client = None
        self._most_w = boards.most_watts(boards.detect())

    def unavailable(self):
        """Why it cannot be used; empty when it can. Asks the service once."""
        try:
            self.start()
            shown = self._rails()
        except DeviceError as error:
            return error.message
        finally:
            self.stop()
        self.rails, self.covers, reason = boards.total_rails(boards.detect(), list(shown))
        return reason or ""

    def start(self):
        """Connect to the service.

        Raises:
            DeviceError: jetson-stats is not installed, or its service does not answer.
        """
        try:
            from jtop import jtop
        except ImportError as error:
            raise DeviceError("jetson-stats is not installed") from error
        try:
            self._client = jtop(interval=self.interval_s)
            self._client.start()
        except Exception as error:  # its own exceptions share no public base class
            self._client = None
            raise DeviceError("the service of jetson-stats does not answer ({})".format(error)) from error

    def read(self):
        """The total of the next message, watts; None when it does not tell it.

        Raises:
            DeviceError: The service ended.
        """
        shown = self._rails()
        if not all(rail in shown for rail in self.rails):
            return None
        watts = sum(shown[rail] for rail in self.rails) / 1000.0
        return watts if 0 < watts < self._most_w else None

    def stop(self):
        """Leave the service."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _rails(self):
        """Milliwatts by rail of the next message."""
        client = self._client
        if client is None or not client.ok():
            raise DeviceError("the service of jetson-stats ended")
        try:
            return _shown(client.power)
        except (AttributeError, TypeError, KeyError, ValueError) as error:
            raise DeviceError("this jetson-stats tells power in a form not known here") from error


def _shown(told):
    """Milliwatts by rail; a rail that is the total stands apart from the others, name and all."""
    shown = {name: rail["power"] for name, rail in told.get("rail", {}).items() if "power" in rail}
    total = told.get("tot") or {}
    if "name" in total and "power" in total:
        shown[total["name"]] = total["power"]
    return {name: float(milliwatts) for name, milliwatts in shown.items()}

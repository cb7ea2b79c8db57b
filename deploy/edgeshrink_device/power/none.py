"""`none`: no meter; energy is null, with the reason."""

from edgeshrink_device.power import SOURCES, PowerSource

__all__ = ["NoPower"]


@SOURCES.register("none")
class NoPower(PowerSource):
    """Stands in where nothing is measured."""

    priority = -100

    def unavailable(self):
        """Never: nothing can always be measured."""
        return ""

    def joules(self):
        """Not measured."""
        return

"""The process that engines are built in: a line of JSON in, a line of JSON out, progress on the terminal.

Unlike the workers that measure it answers Ctrl-C itself, so that it leaves nothing half written.
"""

from edgeshrink_device.worker import serve

__all__ = ["Building", "main"]


def main():
    """Serve requests from stdin until it closes."""
    serve(Building)


class Building:
    """Finds and builds engines."""

    COMMANDS = ("build",)

    def __init__(self):
        self._way = None

    def build(self, model, samples, precision, folder, workspace_mib, force):
        """The engine of a model, as `engines.cache.open_engine` gives it.

        Returns:
            Its record, with its `path`, whether it was `built` just now and `why_built`, what it is to be
            `run_with`, and what is `lost` by that, a text or None.

        Raises:
            DeviceError: Nothing here would run it; and as `open_engine`.
        """
        from edgeshrink_device.engines.cache import open_engine
        from edgeshrink_device.engines.progress import Progress
        from edgeshrink_device.inference import ways

        self._way = self._way or ways.require()  # before minutes of building
        with Progress() as progress:
            opened = open_engine(
                model,
                precision=precision,
                folder=folder,
                workspace_mib=workspace_mib,
                samples=samples,
                force=force,
                progress=progress,
            )
        told = {"path": opened.path, "built": opened.built, "why_built": opened.why}
        return dict(opened.record, run_with=self._way.run_with, lost=self._way.why, **told)

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

    def build(self, model, samples, precision, folder, workspace_mib, force):
        """The engine of a model, as `engines.cache.open_engine` gives it.

        Returns:
            Its record, with its `path`, whether it was `built` just now and `why_built`.
        """
        from edgeshrink_device.engines.cache import open_engine
        from edgeshrink_device.engines.progress import Progress

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
        return dict(opened.record, path=opened.path, built=opened.built, why_built=opened.why)

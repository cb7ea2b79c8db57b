"""`edgeshrink devices`: the known devices, and what this machine is."""

from __future__ import annotations

from dataclasses import fields

import click

from edgeshrink.cli.shared import common_options, print_json, stdout

__all__ = ["command"]


@click.command("devices")
@common_options
def command(as_json: bool) -> None:
    """List the devices that --device takes, and say what this machine is."""
    from edgeshrink.devices import devices, this_machine
    from edgeshrink.report.devices import print_devices

    known, machine = devices(), this_machine()
    if as_json:
        documents = [{f.name: getattr(device, f.name) for f in fields(device)} for device in known]
        for document in documents:
            document["sources"] = dict(document["sources"])
        print_json({"devices": documents, "this_machine": machine})
        return
    print_devices(stdout(), known, machine)

"""`profile`: measure bundles and models on this machine."""

import sys

from edgeshrink_device import boards
from edgeshrink_device.asked_shapes import parse_shapes
from edgeshrink_device.bar import Bar
from edgeshrink_device.errors import DeviceError
from edgeshrink_device.files import dumps, plan_outputs, write_all
from edgeshrink_device.inference.preparing import EngineOptions
from edgeshrink_device.launches import LAUNCHES
from edgeshrink_device.power import SOURCES
from edgeshrink_device.profiling import profile_models
from edgeshrink_device.runners import RUNNERS, require_runner
from edgeshrink_device.targets import find_targets

__all__ = ["add"]

NOT_THE_GPU = "measured on the board's CPU, since no --device was given; its GPU is --device jetson"


def add(subparsers):
    """Add the command and its options."""
    parser = subparsers.add_parser(
        "profile", help="measure bundles and models on this machine", allow_abbrev=False
    )
    add_option = parser.add_argument
    add_option("paths", nargs="+", metavar="BUNDLE|MODEL.onnx", help="bundle folders and model files")
    add_option("--device", help="what to run on: {} (cpu)".format(_listed(RUNNERS.names())))
    add_option("--seconds", type=float, default=3.0, help="timed work a model, at least (3)")
    add_option("--runs", type=int, default=50, help="timed runs a model, at least (50)")
    add_option("--launches", type=int, default=LAUNCHES, help="fresh processes a model ({})".format(LAUNCHES))
    add_option("--threads", type=int, default=1, help="threads inside an operator (1)")
    sources = _listed(["auto", *SOURCES.names()])
    add_option("--power", default="auto", metavar="SOURCE", help="{} (auto)".format(sources))
    add_option(
        "--load-seconds",
        type=float,
        metavar="S",
        help="load a model to sample its power, 0 for none (20 or more, by the source)",
    )
    add_option("--precision", metavar="P", help="of engines: auto, fp32, fp16 or int8 (auto)")
    add_option("--cuda-graph", action="store_true", help="run engines as CUDA graphs where they can be")
    add_option("--engines", metavar="DIR", help="where engines are kept (engines, beside the model)")
    add_option("--workspace", type=int, metavar="MIB", help="scratch memory of the builder of engines")
    add_option(
        "--samples", metavar="FILE.npz", help="inputs, and outputs to check, in place of the bundle's own"
    )
    add_option(
        "--shape",
        action="append",
        metavar="NAME:SIZES",
        help="run an open input at these sizes (x:1x3x32x32) instead of those it was exported for (opt)",
    )
    add_option("--no-baseline", action="store_true", help="leave a bundle's baseline.onnx out")
    add_option("--seed", type=int, default=0, help="of random inputs and of the intervals (0)")
    add_option("-o", "--output", metavar="OUT.json|DIR", help="where the profiles go")
    add_option("--force", action="store_true", help="replace profiles that are there")
    add_option("--json", action="store_true", help="print one JSON document and nothing else")
    add_option("--debug", action="store_true", help="show the traceback of an error")
    parser.set_defaults(run=run)


def run(options):
    """Measure, write, print; returns the exit status: 1 when a parity fails."""
    jetson, device = boards.detect() is not None, options.device or "cpu"
    require_runner(device, jetson)
    targets = find_targets(options.paths, device, options.samples, not options.no_baseline)
    paths = plan_outputs(targets, options.output, options.force)
    with Bar() as bar:
        profiles = profile_models(
            options.paths,
            device=device,
            seconds=options.seconds,
            runs=options.runs,
            launches=options.launches,
            threads=options.threads,
            power_source=options.power,
            load_seconds=options.load_seconds,
            samples=options.samples,
            baseline=not options.no_baseline,
            seed=options.seed,
            engines=EngineOptions(options.precision, options.engines, options.workspace, options.cuda_graph),
            shapes=parse_shapes(options.shape),
            progress=bar,
        )
    if jetson and options.device is None:
        for profile in profiles:
            profile["warnings"].insert(0, NOT_THE_GPU)
    ok = all(profile["parity"] is None or profile["parity"]["ok"] for profile in profiles)
    try:
        paths = _write(profiles, paths, options.force)
    except DeviceError:  # what was measured is not lost with the disk
        print(_as_json(profiles, [], ok) if options.json else _as_text(profiles, []))
        raise
    print(_as_json(profiles, paths, ok) if options.json else _as_text(profiles, paths))
    return 0 if ok else 1


def _write(profiles, paths, force):
    """Write the profiles; the paths they have, which are others where files appeared meanwhile."""
    written = write_all(profiles, paths, force)
    for path, wanted in zip(written, paths):
        if path != wanted:
            sys.stderr.write(
                "warning: {} appeared while this was measured: it is kept, the profile is {}\n".format(
                    wanted, path
                )
            )
    return written


def _listed(names):
    return " or ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def _as_json(profiles, paths, ok):
    from edgeshrink_device.ratios import ratios

    return dumps(
        {"schema_version": 1, "ok": ok, "files": paths, "ratios": ratios(profiles), "profiles": profiles}
    )


def _as_text(profiles, paths):
    from edgeshrink_device.table import describe

    return "\n".join(describe(profiles, paths))

"""`build`: the TensorRT engines of bundles and models, for this board."""

import os

from edgeshrink_device import boards, program
from edgeshrink_device.errors import InputError
from edgeshrink_device.files import dumps
from edgeshrink_device.targets import find_targets
from edgeshrink_device.text import aligned, megabytes, told_once

__all__ = ["add"]

HEADINGS = ("engine", "size", "precision", "layers", "built in", "memory to build", "memory to run")
EPILOG = """\
Memory to build is what was in use at the most beyond what was in use before the build, on a Jetson that of
processor and GPU together (where that is not told, the most that this process had); memory to run is what an
execution context takes of the GPU's, beside the engine.
"""


def add(subparsers):
    """Add the command and its options."""
    parser = subparsers.add_parser(
        "build",
        help="build TensorRT engines of bundles and models on this board",
        epilog=EPILOG,
        allow_abbrev=False,
    )
    add_option = parser.add_argument
    add_option("paths", nargs="+", metavar="BUNDLE|MODEL.onnx", help="bundle folders and model files")
    add_option("--device", help="jetson or tensorrt: the machine this runs on, as for profile")
    add_option(
        "--precision",
        default="auto",
        metavar="P",
        help="auto, fp32, fp16 or int8 (auto: fp16 where it is fast)",
    )
    add_option(
        "--workspace", type=int, metavar="MIB", help="scratch memory of the builder (fitted to what is free)"
    )
    add_option("--samples", metavar="FILE.npz", help="what INT8 is calibrated with (the bundle's own)")
    add_option("--baseline", action="store_true", help="build a bundle's baseline.onnx, too")
    add_option("--engines", metavar="DIR", help="where engines are kept (engines, beside the model)")
    add_option("--force", action="store_true", help="build even where a fitting engine is there")
    add_option("--json", action="store_true", help="print one JSON document and nothing else")
    add_option("--debug", action="store_true", help="show the traceback of an error")
    parser.set_defaults(run=run)


def run(options):
    """Build or find each engine, print; returns the exit status: 1 when TensorRT refuses a model."""
    from edgeshrink_device.engines.cache import open_engine
    from edgeshrink_device.engines.progress import Progress
    from edgeshrink_device.engines.refusal import BuildError

    if options.device is not None:
        _check_device(options.device)
    targets = find_targets(options.paths, "jetson", options.samples, options.baseline)
    _require_readable(targets)
    opened, refused = [], []
    with Progress() as progress:
        for target in targets:
            try:
                opened.append(
                    open_engine(
                        target.path,
                        precision=options.precision,
                        folder=options.engines,
                        workspace_mib=options.workspace,
                        samples=target.samples,
                        force=options.force,
                        progress=progress,
                    )._replace(data=None)  # engines are large, and the table needs none
                )
            except BuildError as error:
                refused.append((target.path, error))
    print(_as_json(opened, refused) if options.json else "\n".join(_describe(opened, refused, options)))
    return 1 if refused else 0


def _require_readable(targets):
    """All of them, before the first is built: an error ends the call, and takes the table with it."""
    from edgeshrink_device.engines.onnx_outline import read_outline
    from edgeshrink_device.open_sizes import profile_shapes

    for target in targets:
        read_outline(target.path)
        profile_shapes(target.path)


def _check_device(name):
    """Engines are built on the machine that runs them: a name can only be right or wrong."""
    from edgeshrink_device.runners import RUNNERS, require_runner

    require_runner(name, boards.detect() is not None)
    if not RUNNERS.get(name).runs_engines:
        raise InputError(
            "--device {} runs models as they are: no engine is built for it".format(name),
            "Measure them: {}".format(program.command("profile", "BUNDLE", "--device", name)),
        )


def _as_json(opened, refused):
    return dumps(
        {
            "schema_version": 1,
            "ok": not refused,
            "emulated": any(each.record["emulated"] for each in opened)
            or any(error.emulated for _, error in refused),
            "engines": [
                dict(each.record, path=each.path, built=each.built, why_built=each.why) for each in opened
            ],
            "refused": [
                {"model": path, "message": error.message, "hint": error.hint, "errors": error.errors}
                for path, error in refused
            ],
        }
    )


def _describe(opened, refused, options):
    """All lines to print: what was refused first, then table, notes, verdict, next command."""
    lines = []
    for _, error in refused:
        lines += [
            "FAIL{} {}".format(" EMULATED" if error.emulated else "", error.message),
            *error.hint.splitlines(),
            "",
        ]
    if opened:
        lines += [*aligned([HEADINGS, *map(_row, opened)]), "", *_notes(opened), ""]
    lines.append("FAIL: TensorRT refuses {} of the models".format(len(refused)) if refused else "PASS")
    if not refused:
        lines.append("next: " + program.command(*_next(options)))
    return lines


def _next(options):
    """The words that measure these very engines: what they were built by is asked for again."""
    paths = ["./" + path if path.startswith("-") else path for path in options.paths]  # no options
    words = ["profile", *paths, "--device", "jetson" if boards.detect() else "tensorrt"]
    said = (
        ("--precision", None if options.precision == "auto" else options.precision),
        ("--engines", options.engines),
        ("--workspace", options.workspace),
        ("--samples", options.samples),
    )
    for option, value in said:
        words += [] if value is None else [option, str(value)]
    return words


def _row(each):
    record, build = each.record, each.record["build"]
    word = " EMULATED" if record["emulated"] else ""
    return (
        os.path.basename(each.path) + word,
        megabytes(record["engine"]["bytes"]),
        record["precision"],
        _known(record["layers"]),
        "{:.1f} s".format(build["seconds"]),
        megabytes(_taken(build)),
        megabytes(record["context_bytes"]),
    )


def _notes(opened):
    notes = []
    for each in opened:
        build = each.record["build"]
        if each.built:
            notes.append(
                "built {}: {}; workspace {} MiB{}".format(
                    each.path,
                    each.why,
                    build["workspace_mib"],
                    "" if build["workspace_asked"] else ", fitted",
                )
            )
        else:
            notes.append("found {}: nothing it depends on changed; --force builds it again".format(each.path))
    warned = told_once([(os.path.basename(each.path), each.record["warnings"]) for each in opened])
    return notes + [": ".join(filter(None, ("warning", names, text))) for names, text in warned]


def _taken(build):
    """What the build added to the memory in use; where that is not known, the most this process had."""
    added = build["memory_added_bytes"]
    return build["process_peak_bytes"] if added is None else added


def _known(value):
    return "not known" if value is None else str(value)

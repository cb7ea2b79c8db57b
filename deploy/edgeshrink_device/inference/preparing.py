"""Engines of what will be measured: found or built in a process of its own, before anything is timed.

The builder needs far more memory than the engine it makes. In its own process all of it is gone when the
first time is taken.
"""

from collections import namedtuple

from edgeshrink_device.errors import InputError
from edgeshrink_device.workers import Worker

__all__ = ["EngineOptions", "prepare", "refuse"]

EngineOptions = namedtuple("EngineOptions", ["precision", "folder", "workspace_mib", "cuda_graph"])
EngineOptions.__new__.__defaults__ = (None, None, None, False)
EngineOptions.__doc__ = """What the user wants of engines. precision: "auto", "fp32", "fp16", "int8"; folder:
where they are kept; workspace_mib: the builder's scratch memory; None for each that was not said; cuda_graph:
whether to run them as CUDA graphs."""

WORDS = {"precision": "--precision", "folder": "--engines", "workspace_mib": "--workspace"}
PATIENCE_S = 10.0


def refuse(options, device):
    """Refuse what only engines have.

    Raises:
        InputError: The user asked for something of it.
    """
    said = [WORDS[name] for name in sorted(WORDS) if getattr(options, name) is not None]
    said += ["--cuda-graph"] * bool(options.cuda_graph)
    if said:
        raise InputError(
            "{} is for TensorRT engines, and --device {} runs none".format(said[0], device),
            "Leave it out, or measure with --device jetson.",
        )


def prepare(targets, options, force=False):
    """Find or build the engine of each model.

    Args:
        targets: `edgeshrink_device.targets.Target`s.
        options: `EngineOptions`.
        force: Whether to build where a fitting engine is there, too.

    Returns:
        For each target what its workers need: `engine` (the record of `engines.cache`, with its `path`, what
        it is to be `run_with` and what is `lost` by that), `cuda_graph`.

    Raises:
        DeviceError: TensorRT refuses a model, or is not there; see `engines.cache.open_engine`.
    """
    builder = Worker("the builder", module="inference.builder", shown=True)
    try:
        return [
            {
                "engine": builder.ask(
                    "build",
                    model=target.path,
                    samples=target.samples,
                    precision=options.precision or "auto",
                    folder=options.folder,
                    workspace_mib=options.workspace_mib,
                    force=force,
                ),
                "cuda_graph": options.cuda_graph,
            }
            for target in targets
        ]
    except KeyboardInterrupt:
        builder.end(PATIENCE_S)
        raise
    finally:
        builder.kill()

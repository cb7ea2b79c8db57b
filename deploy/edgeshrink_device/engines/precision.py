"""In which precision an engine is built: what is asked for, as far as the chip and TensorRT have it.

FP32 here is FP32: TF32 keeps 11 of its 24 bits, which the parity of a bundle would show, so it is switched
off for it. Beside FP16 and INT8, whose own rounding is no finer, it stays as TensorRT sets it. INT8 comes
with FP16 for the layers that have no implementation in 8 bits.
"""

from collections import namedtuple

from edgeshrink_device import boards
from edgeshrink_device.boards.known import CHIPS
from edgeshrink_device.errors import InputError
from edgeshrink_device.registry import unknown

__all__ = ["ASKED", "Chip", "Decision", "chip_of", "decide", "require_known"]

ASKED = ("auto", "fp32", "fp16", "int8")
ALIASES = {"half": "fp16", "float16": "fp16", "single": "fp32", "full": "fp32", "float": "fp32"}
ALIASES.update({"float32": "fp32", "i8": "int8", "best": "auto"})

Chip = namedtuple("Chip", ["sm", "fast_fp16", "fast_int8"])
Chip.__doc__ = """What the GPU is fast at: compute capability as text, and two booleans; None: not known."""

Decision = namedtuple("Decision", ["precision", "half", "calibrate", "tf32", "note"])
Decision.__doc__ = """precision: "fp32", "fp16", "int8" or "typed" (every tensor as the file has it); half:
whether layers may run in FP16; calibrate: whether INT8 takes its ranges from samples; tf32: whether FP32
layers may round to TF32; note: what the user should know of the choice, or None."""

TYPED = "this TensorRT takes every precision from the types in the model file"


def chip_of(sm, builder=None):
    """What the GPU is fast at.

    Args:
        sm: Its compute capability as text, or None.
        builder: TensorRT's Builder; those from 11 on do not tell, nor does trtexec: then the table of boards
            does, and for other GPUs their compute capability (NVIDIA, CUDA C++ Programming Guide, "Arithmetic
            Instructions": half precision is slow on 6.1 alone, bytes come with 6.1 and from 7.0 on).
    """
    if hasattr(builder, "platform_has_fast_fp16"):
        return Chip(sm, bool(builder.platform_has_fast_fp16), bool(builder.platform_has_fast_int8))
    board = boards.detect()
    known = next((chip for chip in CHIPS.values() if chip.sm == sm), None)
    if known is not None:
        return Chip(sm, known.fast_fp16, known.fast_int8)
    if sm is None:
        return Chip(None, board and board.fast_fp16, board and board.fast_int8)
    number = tuple(map(int, sm.split(".")))
    return Chip(sm, number >= (5, 3) and sm != "6.1", sm == "6.1" or number >= (7, 0))


def require_known(asked):
    """Let one of ASKED pass; raises InputError for any other word, with the one that was meant."""
    if asked in ASKED:
        return
    meant = ALIASES.get(asked.lower(), asked.lower())
    if meant in ASKED:
        known = "Did you mean '{}'? Known: {}.".format(meant, ", ".join(ASKED))
        raise InputError("unknown precision '{}'".format(asked), known)
    raise unknown("precision", asked, ASKED)


def decide(asked, chip, reduced, quantized, can_calibrate=True):
    """The `Decision`.

    Args:
        asked: One of ASKED.
        chip: A `Chip`.
        reduced: Whether this TensorRT reduces precision when told (to 10); else networks are strongly typed.
        quantized: Whether the model says itself what is computed in 8 bits (QuantizeLinear).
        can_calibrate: Whether this way of building can calibrate.

    Raises:
        InputError: The chip or this TensorRT does not have what is asked for.
    """
    require_known(asked)
    if not reduced:
        return _typed(asked, quantized)
    if asked == "int8" or (asked == "auto" and quantized):
        return _int8(chip, quantized, can_calibrate)
    if asked == "fp16" and chip.fast_fp16 is False:
        raise InputError("FP16 is not fast on this chip: {}".format(_has(chip)), "Use --precision fp32.")
    if asked == "fp16" or (asked == "auto" and chip.fast_fp16):
        unknown = "whether this chip is fast in FP16 is not known" if chip.fast_fp16 is None else None
        return Decision("fp16", True, False, True, unknown)
    note = None
    if asked == "auto":
        note = "built in FP32: " + (_has(chip) if chip.fast_fp16 is False else "the chip is not known")
    return Decision("fp32", False, False, False, note)


def _typed(asked, quantized):
    if asked == "fp16":
        raise InputError(
            "FP16 cannot be asked for: {}".format(TYPED),
            "Use --precision auto; it computes in float16 what the file has in float16.",
        )
    if asked == "int8" and not quantized:
        raise InputError(
            "INT8 cannot be asked for: {}, and it calibrates no more".format(TYPED),
            "Give a model with QuantizeLinear and DequantizeLinear, or use --precision auto.",
        )
    return Decision("typed", False, False, False, TYPED if asked == "fp32" else None)


def _int8(chip, quantized, can_calibrate):
    if chip.fast_int8 is False:
        raise InputError(
            "INT8 is not to be had on this chip: {}".format(_has(chip)),
            "Use --precision {}.".format(_best(chip)),
        )
    if not quantized and not can_calibrate:
        raise InputError(
            "INT8 needs calibration, which trtexec cannot do",
            "Install the Python bindings (sudo apt-get install python3-libnvinfer), or use --precision fp16.",
        )
    note = "whether this chip computes in 8 bits is not known" if chip.fast_int8 is None else None
    return Decision("int8", chip.fast_fp16 is not False, not quantized, True, note)


def _best(chip):
    return "fp16" if chip.fast_fp16 else "fp32"


def _has(chip):
    fast = [name for name, has in (("FP16", chip.fast_fp16), ("INT8", chip.fast_int8)) if has]
    return "SM {} has {}".format(chip.sm or "not known", " and ".join(["FP32", *fast]))

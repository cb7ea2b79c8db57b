"""A serialized engine: magic, a description, the ONNX file, a checksum."""

import hashlib
import json
import struct

from . import faults
from .logger import tell

MAGIC = b"EMULATED ENGINE\n"
WRONG_MAGIC = (
    "1: [stdArchiveReader.cpp::StdArchiveReader::30] Error Code 1: Serialization (Serialization assertion"
    " magicTagRead == kMAGIC_TAG failed.Magic tag does not match)"
)
WRONG_VERSION = (
    "1: [stdArchiveReader.cpp::StdArchiveReader::40] Error Code 1: Serialization (Serialization assertion"
    " stdVersionRead == serializationVersion failed.Version tag does not match. Note: Current Version: {},"
    " Serialized Engine Version: {})"
)
WRONG_DEVICE = (
    "6: The engine plan file is generated on an incompatible device, expecting compute {} got compute {},"
    " please rebuild."
)
FAILED = (
    "4: [runtime.cpp::deserializeCudaEngine::50] Error Code 4: Internal Error (Engine deserialization"
    " failed.)"
)


def pack(api, described, model):
    """The bytes of an engine of this version and GPU."""
    head = dict(described, version=api.full_version, sm=faults.compute_capability(), gpu=faults.gpu_name())
    text = json.dumps(head, sort_keys=True).encode()
    body = MAGIC + struct.pack("<I", len(text)) + text + model
    return body + hashlib.sha256(body).digest()


def unpack(api, logger, data):
    """(description, ONNX file), or None after telling the logger why not.

    A real engine with a damaged middle may crash the process; this one is told apart by its checksum.
    """
    reason = None
    if not data.startswith(MAGIC) or len(data) < len(MAGIC) + 36:
        reason = WRONG_MAGIC
    elif hashlib.sha256(data[:-32]).digest() != data[-32:]:
        reason = WRONG_MAGIC.replace("magicTagRead == kMAGIC_TAG", "checksum")
    if reason is None:
        start = len(MAGIC) + 4
        (length,) = struct.unpack("<I", data[start - 4 : start])
        head = json.loads(data[start : start + length].decode())
        if head["version"] != api.full_version:
            reason = WRONG_VERSION.format(api.full_version, head["version"])
        elif head["sm"] != faults.compute_capability():
            reason = WRONG_DEVICE.format(faults.compute_capability(), head["sm"])
    if reason:
        tell(api, logger, "ERROR", reason)
        tell(api, logger, "ERROR", FAILED)
        return None
    return head, data[start + length : -32]

"""Files made to hurt whoever opens them: each function writes one into a folder that it is given."""

from __future__ import annotations

import json
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import safetensors.torch
import torch

Builder = Callable[[Path], Path]
FILES: dict[str, Builder] = {}
LOADABLE: dict[str, Builder] = {}
MARKER = "executed"


def hostile(build: Builder) -> Builder:
    """Add a file to the corpus, under its function's name."""
    FILES[build.__name__] = build
    return build


def loadable(build: Builder) -> Builder:
    """Add a file that may be read, as long as nobody computes what it asks for."""
    LOADABLE[build.__name__] = build
    return build


class Bomb:
    """Would leave a file behind if it were ever unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        import os

        return os.system, (f"touch {self.marker}",)


def write(folder: Path, data: bytes, name: str = "net.pt") -> Path:
    (folder / name).write_bytes(data)
    return folder / name


def torch_zip(folder: Path, data: bytes, storage: bytes = bytes(4096), **options: int) -> Path:
    """Torch's archive around a pickle of one's own."""
    with zipfile.ZipFile(folder / "net.pt", "w", **options) as archive:
        archive.writestr("net/data.pkl", data)
        archive.writestr("net/byteorder", b"little")
        archive.writestr("net/data/0", storage)
        archive.writestr("net/version", b"3\n")
    return folder / "net.pt"


def system(folder: Path) -> bytes:
    return f"touch {folder / MARKER}".encode()


@hostile
def pickle_that_reduces(folder: Path) -> Path:
    return write(folder, pickle.dumps(Bomb(folder / MARKER), 2))


@hostile
def archive_that_reduces(folder: Path) -> Path:
    torch.save({"state_dict": {"w": torch.ones(2)}, "x": Bomb(folder / MARKER)}, folder / "net.pt")
    return folder / "net.pt"


@hostile
def archive_that_reduces_in_the_old_format(folder: Path) -> Path:
    content = {"w": torch.ones(2), "x": Bomb(folder / MARKER)}
    torch.save(content, folder / "net.pt", _use_new_zipfile_serialization=False)
    return folder / "net.pt"


@hostile
def inst(folder: Path) -> Path:
    return torch_zip(folder, b"(S'" + system(folder) + b"'\nios\nsystem\n.")


@hostile
def obj(folder: Path) -> Path:
    return torch_zip(folder, b"(cos\nsystem\nS'" + system(folder) + b"'\no.")


@hostile
def stack_global(folder: Path) -> Path:
    command = system(folder)
    name = b"\x8c\x02os\x94\x8c\x06system\x94h\x00h\x01\x93"
    return torch_zip(folder, b"\x80\x04" + name + b"\x8c" + bytes([len(command)]) + command + b"\x85R.")


@hostile
def stack_global_of_strings_joined_elsewhere(folder: Path) -> Path:
    swapped = b"\x80\x04\x8c\x05posix\x8c\x06system\x8c\x05torch\x8c\x04Size00\x93\x8c\x01x\x85R."
    return torch_zip(folder, swapped)


@hostile
def build_on_a_class(folder: Path) -> Path:
    return torch_zip(folder, b"\x80\x02ctorch.nn.modules.linear\nLinear\nN}U\x07forwardcos\nsystem\ns\x86b.")


@hostile
def getattr_chain(folder: Path) -> Path:
    return torch_zip(folder, b"\x80\x02cbuiltins\ngetattr\nctorch\nhub\nX\x04\x00\x00\x00load\x86R.")


@hostile
def module_with_a_hook(folder: Path) -> Path:
    made = b"\x80\x02ctorch.nn.modules.linear\nIdentity\n)\x81"
    data = made + b"}X\x12\x00\x00\x00_forward_pre_hooks}K\x00cos\nsystem\nssb."
    return torch_zip(folder, data)


@hostile
def extension_registry(folder: Path) -> Path:
    return torch_zip(folder, b"\x80\x02\x82\x01.")


@hostile
def forty_million_opcodes(folder: Path) -> Path:
    return torch_zip(folder, b"\x80\x02" + b"]0" * 20_000_000 + b"}.")


@hostile
def deeply_nested_pickle(folder: Path) -> Path:
    return torch_zip(folder, b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b".")


@hostile
def pickle_that_doubles(folder: Path) -> Path:
    """30 lists of two references to the one before: 2^30 leaves for whoever walks them."""
    body = b"]q\x00"
    for index in range(30):
        body += b"]q" + bytes([index + 1]) + b"(h" + bytes([index]) + b"h" + bytes([index]) + b"e"
    return torch_zip(folder, b"\x80\x02}X\x05\x00\x00\x00model" + body + b"s.")


@hostile
def memo_with_a_huge_index(folder: Path) -> Path:
    return torch_zip(folder, b"\x80\x02}r\xff\xff\xff\xff.")


@hostile
def deflated_archive(folder: Path) -> Path:
    return torch_zip(folder, pickle.dumps({}, 2), bytes(1_000_000_000), compression=zipfile.ZIP_DEFLATED)


@hostile
def archive_with_overlapping_entries(folder: Path) -> Path:
    """One storage's bytes, and a thousand directory entries that all claim them."""
    path = torch_zip(folder, pickle.dumps({}, 2), bytes(10_000_000))
    data = path.read_bytes()
    end = data.rindex(b"PK\x05\x06")
    start = struct.unpack("<I", data[end + 16 : end + 20])[0]
    directory = data[start:end] * 1000
    tail = data[end : end + 8] + struct.pack("<HHII", 4000, 4000, len(directory), start) + data[end + 20 :]
    return write(folder, data[:start] + directory + tail)


@hostile
def archive_with_two_pickles_of_one_name(folder: Path) -> Path:
    torch_zip(folder, pickle.dumps({}, 2))
    with zipfile.ZipFile(folder / "net.pt", "a") as archive:
        archive.writestr("net/data.pk", pickle.dumps(Bomb(folder / MARKER), 2))
    data = (folder / "net.pt").read_bytes()
    return write(folder, data.replace(b"net/data.pk\x80", b"net/data.pkl"[:-1] + b"\x80"))


@hostile
def archive_with_traversing_names(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "net.pt", "w") as archive:
        archive.writestr("../../data.pkl", pickle.dumps(Bomb(folder / MARKER), 2))
        archive.writestr("../../../../tmp/edgeshrink-was-here", b"x")
    return folder / "net.pt"


@hostile
def archive_whose_sizes_lie(folder: Path) -> Path:
    data = bytearray(torch_zip(folder, pickle.dumps({}, 2)).read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 20 : at + 28] = struct.pack("<II", 4_000_000_000, 4_000_000_000)
    return write(folder, bytes(data))


@hostile
def tensor_of_shape_beyond_its_storage(folder: Path) -> Path:
    torch.save({"w": torch.zeros(3, 4)}, folder / "net.pt")
    data = (folder / "net.pt").read_bytes().replace(b"K\x03K\x04", b"J\x30\x75\x00\x00J\x40\x9c\x00\x00", 1)
    return write(folder, data)


@hostile
def many_tensors_of_one_storage_with_masks(folder: Path) -> Path:
    shared, state = torch.ones(1_000_000), {}
    for index in range(2000):
        state[f"l{index}.weight_orig"] = state[f"l{index}.weight_mask"] = shared
    torch.save(state, folder / "net.pt")
    return folder / "net.pt"


@hostile
def many_float8_tensors_of_one_storage(folder: Path) -> Path:
    shared = torch.ones(4_000_000).to(torch.float8_e4m3fn)
    torch.save({f"l{index}.weight": shared.view(2000, 2000) for index in range(1000)}, folder / "net.pt")
    return folder / "net.pt"


@hostile
def expanded_tensor(folder: Path) -> Path:
    torch.save({"w": torch.ones(1).expand(100_000, 100_000)}, folder / "net.pt")
    return folder / "net.pt"


@hostile
def sparse_tensor_of_huge_shape(folder: Path) -> Path:
    torch.save(
        {"w": torch.sparse_coo_tensor([[0], [0]], [1.0], (10**6, 10**6), check_invariants=True)},
        folder / "net.pt",
    )
    return folder / "net.pt"


@hostile
def meta_tensor_of_huge_shape(folder: Path) -> Path:
    torch.save({"w": torch.empty(10**6, 10**6, device="meta")}, folder / "net.pt")
    return folder / "net.pt"


def st(folder: Path, header: bytes, data: bytes = b"") -> Path:
    return write(folder, struct.pack("<Q", len(header)) + header + data)


def entry(shape: list[int], begin: int, end: int, dtype: str = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


@hostile
def safetensors_whose_header_is_longer_than_the_file(folder: Path) -> Path:
    return write(folder, struct.pack("<Q", 2**39) + b'{"a":{}}')


@hostile
def safetensors_with_a_header_of_100_mb(folder: Path) -> Path:
    return st(folder, b'{"__metadata__":{"a":"' + b"x" * 99_000_000 + b'"}}')


@hostile
def safetensors_with_a_deep_header(folder: Path) -> Path:
    return st(folder, b'{"a":' * 100_000 + b"1" + b"}" * 100_000)


@hostile
def safetensors_with_overlapping_tensors(folder: Path) -> Path:
    header = {f"l{index}.weight": entry([1000, 1000], 0, 4_000_000) for index in range(1000)}
    return st(folder, json.dumps(header).encode(), bytes(4_000_000))


@hostile
def safetensors_with_offsets_beyond_the_end(folder: Path) -> Path:
    return st(folder, json.dumps({"w": entry([10**6, 10**6], 0, 4 * 10**12)}).encode(), bytes(16))


@hostile
def safetensors_with_shapes_that_overflow(folder: Path) -> Path:
    return st(folder, json.dumps({"w": entry([2**32, 2**32], 0, 0)}).encode())


@hostile
def safetensors_with_negative_sizes(folder: Path) -> Path:
    return st(folder, json.dumps({"w": entry([-1, -4], 0, 16)}).encode(), bytes(16))


@hostile
def safetensors_with_layers_numbered_beyond_int(folder: Path) -> Path:
    safetensors.torch.save_file(
        {
            f"net.{'9' * 5000}.dendrite_module.num_cycles": torch.ones(1),
            f"net.{'9' * 5000}.dendrite_module.layers.{'9' * 5000}.weight": torch.ones(2, 2),
        },
        folder / "net.pt",
    )
    return folder / "net.pt"


@hostile
def onnx_of_fifty_million_bytes_of_fields(folder: Path) -> Path:
    return write(folder, b"\x08\x07" + b"\x3a\x00" * 25_000_000, "net.onnx")


@hostile
def onnx_with_a_graph_inside_a_graph_inside_a_graph(folder: Path) -> Path:
    """Attribute fields nested 100,000 deep: NodeProto.attribute.g.node..."""
    body = b""
    for _ in range(3000):
        node = b"\x2a" + varint(len(body)) + body  # NodeProto.attribute
        graph = b"\x0a" + varint(len(node)) + node  # GraphProto.node
        body = b"\x32" + varint(len(graph)) + graph  # AttributeProto.g
    graph = b"\x0a" + varint(len(body) + 4) + b"\x2a" + varint(len(body)) + body
    return write(folder, b"\x08\x08\x3a" + varint(len(graph)) + graph, "net.onnx")


@hostile
def onnx_with_external_data_elsewhere(folder: Path) -> Path:
    return onnx_with_external(folder, "../../../../../../etc/passwd", 64)


@hostile
def onnx_with_external_data_larger_than_its_file(folder: Path) -> Path:
    (folder / "w.bin").write_bytes(bytes(64))
    return onnx_with_external(folder, "w.bin", 10**10)


def onnx_with_external(folder: Path, location: str, size: int) -> Path:
    import onnx
    from onnx import TensorProto, helper

    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[size // 4])
    weight.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", str(size))):
        weight.external_data.add(key=key, value=value)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [size // 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [size // 4])
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "g", [x], [y], [weight])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]), folder / "net.onnx")
    return folder / "net.onnx"


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


@hostile
def gzip_of_zeros(folder: Path) -> Path:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return write(folder, packer.compress(bytes(300_000_000)) + packer.flush())


@hostile
def program_that_evaluates_a_string(folder: Path) -> Path:
    """A .pt2 whose symbolic size is Python; whoever gives it to sympy runs it."""
    import torch.export

    program = torch.export.export(
        torch.nn.Linear(2, 2), (torch.ones(3, 2),), dynamic_shapes=({0: torch.export.Dim("n")},)
    )
    torch.export.save(program, folder / "whole.pt2")
    evil = f"__import__('os').system('touch {folder / MARKER}')"
    with zipfile.ZipFile(folder / "whole.pt2") as old, zipfile.ZipFile(folder / "net.pt2", "w") as new:
        for info in old.infolist():
            data = old.read(info)
            if info.filename.endswith("model.json"):
                data = data.replace(b'"expr_str": "Symbol', b'"expr_str": "' + evil.encode() + b" or Symbol")
            new.writestr(info.filename, data)
    return folder / "net.pt2"


def onnx_that_explodes(folder: Path, op_type: str, *inputs: str) -> Path:
    """A value of 10^10 elements, whose length is computed."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    stored = {"a": np.array([100_000]), "zero": np.array(0), "one": np.array(1), "w": np.ones(1, np.float32)}
    nodes = [
        helper.make_node("Mul", ["a", "a"], ["length"]),
        helper.make_node("Squeeze", ["length"], ["end"]),
        helper.make_node(op_type, list(inputs), ["vast"]),
        helper.make_node("Cast", ["vast"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["x", "real"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])
    constants = [numpy_helper.from_array(array, name) for name, array in stored.items()]
    graph = helper.make_graph(nodes, "g", [x], [y], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), folder / "net.onnx")
    return folder / "net.onnx"


@loadable
def onnx_whose_expand_explodes(folder: Path) -> Path:
    return onnx_that_explodes(folder, "Expand", "w", "length")


@loadable
def onnx_whose_tile_explodes(folder: Path) -> Path:
    return onnx_that_explodes(folder, "Tile", "w", "length")


@loadable
def onnx_whose_range_explodes(folder: Path) -> Path:
    return onnx_that_explodes(folder, "Range", "zero", "end", "one")

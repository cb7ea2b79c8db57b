from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from edgeshrink.errors import InputError
from edgeshrink.inputs import (
    InputSpec,
    SizeRange,
    parse_input,
    random_inputs,
    read_samples,
    split_samples,
    words_for,
)


def model(graph: str) -> ir.Model:
    text = f'<ir_version: 10, opset_import: ["" : 18]> main {graph}'
    return ir.serde.deserialize_model(onnx.parser.parse_model(text))


IMAGES = model("(float[2, 3] image) => (float[2, 3] y) { y = Relu(image) }")


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("1x3x224x224", InputSpec(None, (1, 3, 224, 224))),
        ("7", InputSpec(None, (7,))),
        ("image:1x3", InputSpec("image", (1, 3))),
        ("1x128:int64", InputSpec(None, (1, 128), "int64")),
        (" tokens:1x128:int64 ", InputSpec("tokens", (1, 128), "int64")),
        ("x2:1x3:float16", InputSpec("x2", (1, 3), "float16")),
    ],
)
def test_an_input_is_read_from_its_words(text: str, spec: InputSpec) -> None:
    assert parse_input(text) == spec


WRONG = [
    "",
    "1...8x3",
    "1..x3",
    "..8x3",
    "1..2..3..4x3",
    "1-8x3",
    "image",
    "1,3,224",
    "1x",
    "x3",
    "1x-3",
    "1x3.5",
    "1x0",
    "a:b:1x3",
    "a:1x3:b:c",
    ":1x3",
    "1x3:",
    "a:1x3:",
]


@pytest.mark.parametrize(
    "text", [*WRONG, "1x3:float31", "image:int64", "1x3:int64:x", "99999x99999x99999", "1X3"]
)
def test_anything_else_is_refused_and_the_form_is_shown(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_input(text)
    assert "[NAME:]1x3x224x224[:dtype]" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("1..8x3", InputSpec(None, (8, 3), ranges={0: SizeRange(1, 8, 8)})),
        ("1..4..8x3", InputSpec(None, (4, 3), ranges={0: SizeRange(1, 4, 8)})),
        ("ids:1x2..16:int64", InputSpec("ids", (1, 16), "int64", {1: SizeRange(2, 16, 16)})),
        ("1..2x3..4", InputSpec(None, (2, 4), ranges={0: SizeRange(1, 2, 2), 1: SizeRange(3, 4, 4)})),
        ("4..4x3", InputSpec(None, (4, 3))),
    ],
)
def test_a_range_is_what_a_size_may_be_and_its_opt_is_max_unless_told(text: str, spec: InputSpec) -> None:
    assert parse_input(text) == spec


@pytest.mark.parametrize("text", ["8..1x3", "1..9..8x3", "4..1..8x3"])
def test_a_range_that_does_not_go_up_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="does not go up"):
        parse_input(text)


@pytest.mark.parametrize("text", ["0..8x3", "1..99999x99999"])
def test_both_ends_of_a_range_count(text: str) -> None:
    with pytest.raises(InputError, match=r"sizes above 0 and at most 2\^31 elements"):
        parse_input(text)


def test_an_input_can_be_fixed_at_each_end_and_written_as_it_was_said() -> None:
    spec = parse_input("x:2..4..8x3")
    assert [spec.at(moment).shape for moment in ("min", "opt", "max")] == [(2, 3), (4, 3), (8, 3)]
    assert spec.at("max").ranges == {}
    assert words_for("x", (spec.ranges[0], 3), "float32") == "x:2..4..8x3"
    assert words_for(None, (SizeRange(1, 8, 8), 3), "int64") == "1..8x3:int64"


def test_samples_that_are_no_numbers_are_remarked_on(tmp_path: Path) -> None:
    image = np.zeros((3, 2, 3), np.float32)
    image[1, 0] = [np.nan, np.inf, -np.inf]
    np.savez(tmp_path / "s.npz", image=image, tokens=np.zeros((3, 2), np.int64))
    (told,) = read_samples(tmp_path / "s.npz").warnings
    assert told.startswith("s.npz: 1 of 3 samples of input 'image' hold NaN or infinity")


def test_samples_are_read_with_their_labels(tmp_path: Path) -> None:
    np.savez(tmp_path / "real.npz", image=np.ones((4, 3), np.float32), labels=np.arange(4))
    samples = read_samples(tmp_path / "real.npz")
    assert samples.arrays.keys() == {"image"}
    assert samples.labels is not None
    assert samples.labels.tolist() == [0, 1, 2, 3]
    assert (samples.count, samples.name) == (4, "real.npz")


def broken(folder: Path, kind: str) -> Path:
    path = folder / "real.npz"
    one, two = np.ones((2, 3), np.float32), np.ones((4, 3), np.float32)
    if kind == "folder":
        path.mkdir()
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "random":
        path.write_bytes(np.random.default_rng(0).bytes(500))
    elif kind == "truncated":
        np.savez(path, image=one)
        path.write_bytes(path.read_bytes()[:-40])
    elif kind == "damaged":
        np.savez(path, image=two)
        content = bytearray(path.read_bytes())
        content[len(content) // 2 - 60] ^= 0xFF
        path.write_bytes(content)
    elif kind == "pickle":
        path.write_bytes(pickle.dumps(one))
    elif kind == "objects":
        np.savez(path, image=np.array([{}, {}], dtype=object))
    elif kind == "npy":
        with path.open("wb") as file:
            np.save(file, one)
    elif kind == "lengths":
        np.savez(path, image=one, other=two)
    elif kind == "labels":
        np.savez(path, image=one, labels=np.arange(3))
    elif kind == "no arrays":
        np.savez(path, labels=np.arange(3))
    elif kind == "no samples":
        np.savez(path, image=np.ones((0, 3), np.float32))
    elif kind == "scalar":
        np.savez(path, image=np.float32(1))
    return path


KINDS = [
    "missing",
    "folder",
    "empty",
    "random",
    "truncated",
    "damaged",
    "pickle",
    "objects",
    "npy",
    "lengths",
    "labels",
]


@pytest.mark.parametrize("kind", [*KINDS, "no arrays", "no samples", "scalar"])
def test_a_sample_file_that_is_not_right_is_an_input_error(tmp_path: Path, kind: str) -> None:
    path = broken(tmp_path, kind)
    with pytest.raises(InputError, match=r"real\.npz"):
        read_samples(path)


def test_samples_become_batches_and_the_last_is_filled_up(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", image=np.arange(15, dtype=np.float32).reshape(5, 3))
    batches = split_samples(read_samples(tmp_path / "a.npz"), IMAGES)
    assert [batch["image"][:, 0].tolist() for batch in batches] == [[0, 3], [6, 9], [12, 12]]


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"picture": np.ones((2, 3), np.float32)}, "holds 'picture', the network takes 'image'"),
        ({"image": np.ones((2, 4), np.float32)}, "'image' has samples of shape (4,), the network takes (3,)"),
        ({"image": np.ones((2, 3))}, "'image' is float64, the network takes float32"),
        ({"image": np.ones(2, np.float32)}, "'image' has samples of shape (), the network takes (3,)"),
    ],
)
def test_samples_that_do_not_fit_name_the_input(
    tmp_path: Path, arrays: dict[str, np.ndarray], said: str
) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(InputError) as caught:
        split_samples(read_samples(tmp_path / "a.npz"), IMAGES)
    assert said in caught.value.message


def test_random_inputs_are_the_same_for_the_same_seed_and_differ_between_draws() -> None:
    first, again, other = random_inputs(IMAGES, 3), random_inputs(IMAGES, 3), random_inputs(IMAGES, 3, seed=1)
    assert all(np.array_equal(a["image"], b["image"]) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0]["image"], first[1]["image"])
    assert not np.array_equal(first[0]["image"], other[0]["image"])


def test_floats_are_standard_normal() -> None:
    draws = random_inputs(model("(float16[1, 4000] x) => (y) { y = Relu(x) }"), 1)[0]["x"]
    assert draws.dtype == np.float16
    assert abs(float(draws.mean(dtype=np.float64))) < 0.06  # four standard errors of 4,000 draws
    assert abs(float(draws.std(dtype=np.float64)) - 1) < 0.06


def test_indices_stay_within_the_smallest_table_they_reach() -> None:
    graph = """(int64[1, 400] tokens) => (a, b) <float[7, 2] big, float[5, 2] small>
    { c = Cast<to=6>(tokens) r = Reshape(c, s) a = Gather(big, tokens) b = Gather(small, r) }"""
    tokens = random_inputs(model(graph), 1)[0]["tokens"]
    assert set(tokens.ravel().tolist()) == {0, 1, 2, 3, 4}


def test_integers_that_index_nothing_are_a_masks_values() -> None:
    mask = random_inputs(model("(int64[100] mask) => (y) { y = Neg(mask) }"), 1)[0]["mask"]
    assert set(mask.tolist()) == {0, 1}


def test_bytes_and_booleans_span_their_type() -> None:
    feed = random_inputs(model("(uint8[9000] x, bool[100] b) => (y) { y = Identity(x) z = Not(b) }"), 1)[0]
    assert (feed["x"].min(), feed["x"].max()) == (0, 255)
    assert set(feed["b"].tolist()) == {True, False}


def test_a_symbolic_size_is_drawn_as_told_and_else_as_one() -> None:
    of = model("(float[n, 3] x) => (y) { y = Relu(x) }")
    assert random_inputs(of, 1)[0]["x"].shape == (1, 3)
    drawn = random_inputs(of, 2, sizes=[{"n": 4}, {}])
    assert [feed["x"].shape for feed in drawn] == [(4, 3), (1, 3)]


def test_samples_become_batches_of_the_size_that_is_told(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.arange(15, dtype=np.float32).reshape(5, 3))
    of = model("(float[n, 3] x) => (y) { y = Relu(x) }")
    batches = split_samples(read_samples(tmp_path / "a.npz"), of, {"n": 4})
    assert [batch["x"][:, 0].tolist() for batch in batches] == [[0, 3, 6, 9], [12, 12, 12, 12]]


@pytest.mark.parametrize("labels", [np.eye(3), np.float32([0, 1, 2]), np.array(["a", "b", "c"])])
def test_labels_are_one_class_index_a_sample(tmp_path: Path, labels: np.ndarray) -> None:
    np.savez(tmp_path / "s.npz", x=np.zeros((3, 2), np.float32), labels=labels)
    with pytest.raises(InputError, match="not one class index a sample"):
        read_samples(tmp_path / "s.npz")

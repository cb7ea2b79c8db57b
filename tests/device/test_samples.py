import numpy as np
import pytest
from edgeshrink_device import InputError
from edgeshrink_device.samples import cut, random_feeds, read_samples
from edgeshrink_device.specs import Spec

SIX = np.arange(24, dtype=np.float32).reshape(6, 4)


def pieces(shape, samples=SIX, outputs=None, out_shape=(1, 4)):
    return cut(
        {"x": samples}, outputs or {}, [Spec("x", shape, "float32")], [Spec("y", out_shape, "float32")]
    )


@pytest.mark.parametrize(("shape", "runs", "batch"), [((1, 4), 6, 1), ((2, 4), 3, 2), ((None, 4), 6, 1)])
def test_samples_are_cut_to_the_models_batch(shape, runs, batch):
    feeds, expected, held = pieces(shape)
    assert len(feeds) == runs
    assert held == batch
    assert expected is None
    np.testing.assert_array_equal(np.concatenate([feed["x"] for feed in feeds]), SIX)


def test_a_model_with_an_axis_less_takes_samples_one_by_one():
    feeds, _, _ = pieces((4,))
    assert [feed["x"].shape for feed in feeds] == [(4,)] * 6


def test_samples_left_over_by_a_batch_are_dropped():
    feeds, expected, _ = pieces((4, 4), outputs={"y": SIX}, out_shape=(4, 4))
    assert len(feeds) == len(expected) == 1


def test_outputs_are_cut_along_with_their_inputs():
    rows = np.arange(12, dtype=np.float32).reshape(12, 1)
    _, expected, _ = pieces((2, 4), outputs={"y": rows}, out_shape=(4, 1))
    assert [row[0].ravel().tolist() for row in expected] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]


def test_wider_numbers_are_taken_as_the_models_type():
    feeds, _, _ = pieces((1, 4), SIX.astype(np.float64))
    assert feeds[0]["x"].dtype == np.float32


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (SIX[:, :3], r"samples of input 'x' are \[6, 3\], the model takes \[1, 4\]"),
        (SIX.reshape(6, 2, 2, 1), r"samples of input 'x' are \[6, 2, 2, 1\]"),
        (SIX[:0], "hold none of input 'x'"),
        (SIX.astype(complex), "are complex128, the model takes float32"),
    ],
)
def test_samples_that_do_not_fit_are_refused(samples, message):
    with pytest.raises(InputError, match=message):
        pieces((1, 4), samples)


def test_a_missing_input_is_named_with_what_is_there():
    with pytest.raises(InputError, match="the samples have no input 'x'; inputs they have: 'z'") as caught:
        cut({"z": SIX}, {}, [Spec("x", (1, 4), "float32")], [])
    assert "'in/x'" in caught.value.hint


def test_outputs_that_do_not_divide_are_refused():
    with pytest.raises(InputError, match="does not divide among 6 samples"):
        pieces((1, 4), outputs={"y": SIX[:5]})


def test_keys_without_a_folder_are_inputs_except_labels(tmp_path):
    np.savez(tmp_path / "s.npz", **{"x": SIX, "labels": SIX, "out/y": SIX})
    inputs, outputs = read_samples(str(tmp_path / "s.npz"))
    assert (list(inputs), list(outputs)) == (["x"], ["y"])


def test_objects_in_samples_are_never_unpickled(tmp_path):
    np.savez(tmp_path / "s.npz", x=np.array([{}], dtype=object))
    with pytest.raises(InputError, match="cannot be read as samples"):
        read_samples(str(tmp_path / "s.npz"))


def test_a_file_that_is_no_archive_is_refused(tmp_path):
    (tmp_path / "s.npz").write_bytes(b"\x00\x01 not an archive")
    with pytest.raises(InputError, match="cannot be read as samples"):
        read_samples(str(tmp_path / "s.npz"))


def test_random_feeds_follow_the_seed_and_keep_integers_safe():
    specs = [Spec("x", (None, 4), "float32"), Spec("i", (1, 50), "int64"), Spec("b", (3,), "bool")]
    feeds, again = random_feeds(specs, 7), random_feeds(specs, 7)
    assert len(feeds) == len(again)
    for feed, same in zip(feeds, again):
        assert feed["x"].shape == (1, 4)
        assert (feed["x"].dtype, feed["i"].dtype, feed["b"].dtype) == (np.float32, np.int64, np.bool_)
        assert set(np.unique(feed["i"])) == {0, 1}
        for name in feed:
            np.testing.assert_array_equal(feed[name], same[name])


def whole(low, high, dtype):
    samples = np.array([[low], [high]], dtype=np.int64)
    return cut({"i": samples}, {}, [Spec("i", (1, 1), dtype)], [])[0]


def test_whole_numbers_are_cast_where_they_fit():
    feeds = whole(-(2**31), 2**31 - 1, "int32")
    assert [feed["i"].tolist() for feed in feeds] == [[[-(2**31)]], [[2**31 - 1]]]
    assert feeds[0]["i"].dtype == np.int32


@pytest.mark.parametrize(("low", "high"), [(-(2**31) - 1, 0), (0, 2**31)])
def test_whole_numbers_that_do_not_fit_are_refused(low, high):
    with pytest.raises(InputError, match=f"reach from {low} to {high}, it is computed as int32"):
        whole(low, high, "int32")

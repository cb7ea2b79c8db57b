"""Files that are named as samples and are none: told what they are, without advice to load them unsafely."""

import zipfile

import numpy as np
import pytest
from edgeshrink_device import InputError
from edgeshrink_device.samples import read_samples


def junk(path):
    path.write_bytes(b"junk " * 40)


def pickled(path):
    path.write_bytes(b"\x80\x04\x95junk")


def nothing(path):
    path.write_bytes(b"")


def half(path):
    np.savez(path, **{"in/x": np.zeros(1000)})
    path.write_bytes(path.read_bytes()[:500])


def array(path):
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


def objects(path):
    np.savez(path, **{"in/x": np.array([{}, 1], dtype=object)})


def text(path):
    with zipfile.ZipFile(str(path), "w") as archive:
        archive.writestr("in/x.txt", "1 2 3")


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (junk, "it is no .npz archive"),
        (pickled, "it is no .npz archive"),
        (nothing, "it is no .npz archive"),
        (half, "it is no .npz archive"),
        (array, "it is no .npz archive"),
        (objects, "it holds Python objects, which are never loaded"),
        (text, "'in/x.txt' in it is no array"),
    ],
)
def test_what_is_no_samples_is_told(tmp_path, make, told):
    path = tmp_path / "samples.npz"
    make(path)
    with pytest.raises(InputError) as caught:
        read_samples(str(path))
    assert caught.value.message == f"{path}: cannot be read as samples: {told}"
    assert "numpy.savez" in caught.value.hint
    assert "unsafe" not in str(caught.value)


def test_samples_that_are_not_there_are_told(tmp_path):
    with pytest.raises(InputError, match=r"cannot be read as samples: No such file or directory$"):
        read_samples(str(tmp_path / "samples.npz"))

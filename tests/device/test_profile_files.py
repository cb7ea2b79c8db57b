"""Profiles on their way to the disk: neither what appeared meanwhile is lost, nor what was measured."""

import errno
import json
import os
import subprocess
import sys

import pytest
from edgeshrink_device import InputError
from edgeshrink_device.commands import profile
from edgeshrink_device.files import ROOM, plan_outputs, write_all
from edgeshrink_device.targets import Target

from .helpers import QUICK_WORDS, write_null

SOON_S = 60
LIMITED = """
import resource, sys
from edgeshrink_device import files, main
files._check_writable = lambda folder: None  # the disk is filled while the model is measured
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
sys.exit(main(sys.argv[1:]))
"""


def target(output="profile.json"):
    return Target("m.onnx", "m.onnx", None, ".", output)


def test_a_file_that_appeared_is_kept_and_the_profile_lies_beside_it(tmp_path):
    path, beside, third = (tmp_path / name for name in ("p.json", "p-2.json", "p-3.json"))
    path.write_text("another's")
    assert write_all([{"a": 1}], [str(path)]) == [str(beside)]
    assert write_all([{"a": 2}], [str(path)]) == [str(third)]
    assert path.read_text() == "another's"
    assert [json.loads(each.read_text()) for each in (beside, third)] == [{"a": 1}, {"a": 2}]
    assert len(list(tmp_path.iterdir())) == 3


def test_with_force_it_is_replaced(tmp_path):
    (tmp_path / "p.json").write_text("another's")
    assert write_all([{"a": 1}], [str(tmp_path / "p.json")], force=True) == [str(tmp_path / "p.json")]
    assert json.loads((tmp_path / "p.json").read_text()) == {"a": 1}
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_system_without_links_will_do(tmp_path, monkeypatch):
    def no_links(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    paths = [str(tmp_path / name) for name in ("p.json", "p-2.json")]
    assert [write_all([{"a": 1}], paths[:1]) for _ in paths] == [[path] for path in paths]
    assert sorted(map(str, tmp_path.iterdir())) == sorted(paths)


def test_a_profile_that_went_elsewhere_is_told(tmp_path, capsys):
    path = tmp_path / "p.json"
    path.write_text("another's")
    assert profile._write([{"a": 1}], [str(path)], False) == [str(tmp_path / "p-2.json")]
    assert capsys.readouterr().err == (
        "warning: {} appeared while this was measured: it is kept, the profile is {}\n".format(
            path, tmp_path / "p-2.json"
        )
    )
    profile._write([{"a": 1}], [str(path)], True)
    assert capsys.readouterr().err == ""


def test_a_disk_that_is_full_is_found_before_measuring(tmp_path):
    """A file may have no more bytes than a profile may."""
    import resource

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM - 1, limits[1]))
    try:
        with pytest.raises(InputError, match="cannot be written to: File too large"):
            plan_outputs([target()], str(tmp_path))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert plan_outputs([target()], str(tmp_path)) == [str(tmp_path / "profile.json")]


def test_a_name_that_is_too_long_is_found_before_measuring(tmp_path):
    with pytest.raises(InputError, match="the name is too long"):
        plan_outputs([target()], str(tmp_path / ("n" * 300 + ".json")))


@pytest.mark.parametrize("json_too", [True, False])
def test_what_cannot_be_written_is_printed_all_the_same(tmp_path, json_too):
    model = write_null(tmp_path / "m.null")
    words = ["profile", model, "--device", "null", *QUICK_WORDS, "-o", str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, *words, *["--json"] * json_too],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        timeout=SOON_S,
    )
    assert done.returncode == 1
    assert "cannot be written: File too large" in done.stderr
    assert "what --json prints holds all that was measured" in done.stderr
    assert list((tmp_path / "out").iterdir()) == []
    if json_too:
        document = json.loads(done.stdout)
        assert document["files"] == []
        assert document["profiles"][0]["latency_ms"]["end_to_end"]["times_ms"]
    else:
        assert "m.null" in done.stdout
        assert "wrote" not in done.stdout
        assert "next:" not in done.stdout

"""A file or folder of another step of the road, given by mistake: said to be what it is."""

from __future__ import annotations

import pickle

import pytest


@pytest.mark.parametrize("command", ["lint", "build", "profile"])
def test_a_checkpoint_where_a_model_belongs_is_sent_to_export(run, prepared, command):
    result = run(command, prepared / "model.pt")
    assert (result.status, result.out) == (2, "")
    assert "model.pt" in result.err
    assert "a checkpoint, no ONNX" in result.err
    assert f"`edgeshrink export {prepared / 'model.pt'}`" in result.err


def test_a_bundle_where_a_checkpoint_belongs_is_called_one(run, prepared):
    result = run("inspect", prepared / "model.edge")
    assert result.status == 2
    assert "is a bundle" in result.err
    assert f"`edgeshrink inspect {prepared / 'model.edge' / 'model.onnx'}`" in result.err


def test_a_pickle_of_numbers_is_not_called_damaged(run, tmp_path):
    (tmp_path / "log.pkl").write_bytes(pickle.dumps({"epoch": 3, "losses": [0.5, 0.25]}))
    result = run("inspect", tmp_path / "log.pkl")
    assert result.status == 2
    assert "holds no tensor" in result.err
    assert "damaged" not in result.err


def test_a_pickle_that_is_cut_short_is_called_damaged(run, tmp_path):
    (tmp_path / "log.pkl").write_bytes(pickle.dumps({"losses": [0.5] * 100})[:50])
    result = run("inspect", tmp_path / "log.pkl")
    assert result.status == 2
    assert "damaged or cut short" in result.err

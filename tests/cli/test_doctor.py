"""`edgeshrink doctor` is the device package's own."""

from __future__ import annotations


def test_it_says_what_this_machine_can(run):
    document = run("doctor", "--json").json
    assert document["ok"] is True
    assert document["can"]["profile_cpu"] is True
    assert document["emulated"] is False


def test_its_help_has_the_name_it_was_called_by(run):
    assert run("doctor", "--help").out.startswith("usage: edgeshrink doctor")


def test_a_wrong_option_is_told_as_everywhere(run):
    result = run("doctor", "--nope")
    assert (result.status, result.err.splitlines()[0]) == (2, "error: unrecognized arguments: --nope.")

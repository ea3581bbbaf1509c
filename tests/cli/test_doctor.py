"""What `actlab doctor` finds, and what it advises."""

import json

import pytest

from actlab.cli import doctor, main


def test_it_says_versions_devices_speed_cache_and_extras(capsys: pytest.CaptureFixture[str], monkeypatch, tmp_path):
    monkeypatch.setenv("ACTLAB_CACHE", str(tmp_path))
    (tmp_path / "xla").mkdir()
    (tmp_path / "xla" / "program-cache").write_bytes(b"0" * 300_000)
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"actlab", "jax", "platform"} <= found["versions"].keys()
    assert found["devices"]
    assert found["gigaflops"] > 0
    assert (found["cache"]["programs"], found["cache"]["megabytes"], found["cache"]["writable"]) == (1, 0.3, True)
    assert found["extras"]["mujoco"] == []
    assert "dev" not in found["extras"]

    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    assert "[mujoco]" in text
    assert "GFLOP/s" in text


def test_missing_packages_are_named_also_those_of_an_extra_of_another_package(monkeypatch):
    asked = {
        "actlab": ["jax>=0.4", "jax[gpu]>=0.4; extra == 'fast'", "no-such-package>=1; extra == 'web'"],
        "jax": ["numpy", "no-such-plugin==1; extra == 'gpu'", 'no-such-chip==1; extra == "tpu"'],
    }
    monkeypatch.setattr(doctor, "requires", asked.get)
    assert doctor.extras() == [
        doctor.Extra("fast", ("no-such-plugin",)),
        doctor.Extra("web", ("no-such-package",)),
    ]


def test_advice_where_something_could_be_better():
    found = {"cache": {"folder": "/x", "writable": False}, "devices": ["cpu:0 cpu"]}
    assert ["ACTLAB_CACHE" in sentence for sentence in doctor.advice(found)] == [True, False]
    assert not doctor.advice({"cache": {"writable": True}, "devices": ["gpu:0 H200"]})

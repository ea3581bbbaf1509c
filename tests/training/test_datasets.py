"""Data sets made here: what an id stands for, the levels of a robot at a tiny size, equal content for an equal seed."""

from dataclasses import replace

import numpy as np
import pytest

import actlab as al
from actlab.core.errors import ActlabError
from actlab.data.episodes import local_score, rows
from actlab.data.formats import audit
from actlab.training import datasets
from actlab.training.datasets import LEVELS, Scale, make_data, medium_mark, recipe
from actlab.training.recorded import check_rows
from actlab.training.runs import read_run

TINY = Scale(60, 160, 4, 1, 2, 1, {"width": 8, "batch_size": 8, "warmup": 40})


@pytest.mark.parametrize(
    ("name", "task", "level", "noise", "random"),
    [
        ("local/hopper-medium-replay-v0", "Hopper-v5", "medium-replay", 0, 0),
        ("local/walker2d-expert-v0", "Walker2d-v5", "expert", 0, 0),
        ("local/metaworld-door-open-expert-v0", "metaworld/door-open-v3", "expert", 0, 0),
        ("local/metaworld-door-open-noise20-v0", "metaworld/door-open-v3", "noise20", 0.2, 0),
        ("local/ogbench-cube-single-noise5-random10-v0", "ogbench/cube-single-v0", "noise5-random10", 0.05, 0.1),
        ("local/pointmaze-medium-random100-v0", "ogbench/pointmaze-medium-v0", "random100", 0, 1),
    ],
)
def test_an_id_says_what_is_made(name, task, level, noise, random):
    found = recipe(name)
    assert (found.task, found.level, found.noise, found.random) == (task, level, noise, random)


@pytest.mark.parametrize(
    "name",
    [
        "hopper-medium-v0",
        "local/ant-medium-v0",
        "local/hopper-good-v0",
        "local/hopper-medium-v1",
        "local/metaworld-v0",
        "local/metaworld-door-open-v0",
        "local/metaworld-door-open-noise-v0",
        "local/metaworld-door-open-noise5random5-v0",
    ],
)
def test_another_id_is_refused(name):
    with pytest.raises(ActlabError, match="no data set that can be made here; write local/BODY-LEVEL-v0"):
        recipe(name)


def make(levels, root):
    options = {"scale": TINY, "root": root, "quiet": True}
    return {level: audit(make_data(f"local/hopper-{level}-v0", **options)) for level in levels}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Levels of one robot, which need all that the others do: name -> (recordings, report); and where they lie."""
    pytest.importorskip("h5py")
    root = tmp_path_factory.mktemp("root")
    return make(("random", "medium-replay", "medium-expert"), root), root


def test_every_level_is_made_with_its_provenance(made):
    sets, _ = made
    task = al.task("Hopper-v5")
    for level, (recordings, report) in sets.items():
        assert report.notes == ()
        check_rows({"data": rows(recordings, task)}, task)
        told = recordings.provenance
        assert told["id"] == f"local/hopper-{level}-v0"
        assert told["environment"] == "Hopper-v5"
        assert told["seed"] == 0
        assert told["sha256"] == recordings.checksum
        assert {"gymnasium", "mujoco", "jax"} <= told["versions"].keys()
        assert told["reference"].keys() == {"random", "expert", "episodes"}
        assert not {"d4rl", "D4RL"} & set(told["id"].split("-"))
    references = {str(recordings.provenance["reference"]) for recordings, _ in sets.values()}
    assert len(references) == 1
    assert local_score(sets["random"][0].provenance["reference"]["expert"], sets["random"][0]) == 100


def test_the_levels_are_what_they_are_called(made):
    sets, root = made
    mark = sets["medium-replay"][0].provenance["mark"]
    assert mark in (40, 80, 120)  # never the last evaluation, which is the expert
    assert sets["medium-replay"][0].steps == mark
    assert sets["random"][0].steps >= 60
    assert [half["mark"] for half in sets["medium-expert"][0].provenance["halves"]] == [mark, 160]
    uniform = np.concatenate([episode.actions for episode in sets["random"][0].episodes])
    assert np.abs(uniform.mean(axis=0)).max() < 0.4
    assert uniform.min() < -0.8 < 0.8 < uniform.max()
    (folder,) = (root / "local" / datasets.WORKSHOP).iterdir()
    run = read_run(folder)
    assert medium_mark(run, sets["random"][0].provenance["reference"]["expert"])[0] == mark


def test_made_data_are_found_again_and_other_settings_are_refused(made, monkeypatch):
    sets, root = made
    monkeypatch.setattr(datasets, "train", lambda *_, **__: pytest.fail("nothing is to be trained"))
    folder = make_data("local/hopper-medium-replay-v0", scale=TINY, root=root, quiet=True)
    assert audit(folder)[0].checksum == sets["medium-replay"][0].checksum
    with pytest.raises(ActlabError, match="made with another seed"):
        make_data("local/hopper-medium-replay-v0", scale=TINY, seed=1, root=root, quiet=True)
    with pytest.raises(ActlabError, match="made with another scale"):
        make_data("local/hopper-medium-replay-v0", scale=replace(TINY, steps=61), root=root, quiet=True)
    with pytest.raises(ActlabError, match="one of smoke, small, paper; received 'huge'"):
        make_data("local/hopper-medium-v0", scale="huge", root=root)


@pytest.mark.slow
def test_all_levels_twice(tmp_path):
    pytest.importorskip("h5py")
    one, other = (make(LEVELS, tmp_path / name) for name in ("one", "other"))
    for level in LEVELS:
        assert one[level][0].checksum == other[level][0].checksum, level
    halves = one["medium-expert"][0].provenance["halves"]
    split = halves[0]["episodes"]
    for half, level in ((slice(None, split), "medium"), (slice(split, None), "expert")):
        ours, theirs = one["medium-expert"][0].episodes[half], one[level][0].episodes
        assert sum(map(len, ours)) >= 30
        for mine, whole in zip(ours, theirs, strict=False):
            np.testing.assert_array_equal(mine.actions, whole.actions)

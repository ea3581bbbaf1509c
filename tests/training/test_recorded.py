"""Data sets given to a training in Python: checked, fingerprinted, needed again to resume."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import actlab as al
from actlab.core.errors import ActlabError
from actlab.tasks.catalogue import task
from actlab.training.fit import why_not
from actlab.training.recorded import check_rows, fingerprints, read_inputs
from tests.agents.helpers import expert_rows

NAME = "probe/policy-discrete"
AGENT = al.agents.BC(width=16, layers=1, batch_size=16)
OPTIONS = {"evaluations": 1, "episodes": 2, "quiet": True}


@pytest.fixture(scope="module")
def rows():
    return expert_rows("policy-discrete", 64, jax.random.key(0))


def test_a_training_from_data_counts_updates_and_knows_its_data(rows, tmp_path):
    run = al.train(AGENT, NAME, 40, data={"data": rows}, out=tmp_path, **OPTIONS)
    assert run.result["steps"] == 40
    config = json.loads((tmp_path / "run.json").read_text())
    assert config["data"] == fingerprints({"data": rows})
    scores = al.evaluate(run, episodes=3)
    assert len(scores["return"]["deterministic"]) == 3
    other = {"data": rows._replace(code=1 - rows.code)}
    with pytest.raises(ActlabError, match="holds another run"):
        al.train(AGENT, NAME, 40, data=other, out=tmp_path, **OPTIONS)
    weights = (tmp_path / "learner.safetensors").read_bytes()
    (tmp_path / "result.json").unlink()  # as if it had been interrupted behind its last checkpoint
    with pytest.raises(ActlabError, match="other data"):
        al.resume(tmp_path, quiet=True)
    with pytest.raises(ActlabError, match="other data"):
        al.resume(tmp_path, data=other, quiet=True)
    assert al.resume(tmp_path, data={"data": rows}, quiet=True).finished
    assert (tmp_path / "learner.safetensors").read_bytes() == weights


def test_data_that_are_missing_or_do_not_fit_are_refused_in_words(rows, tmp_path):
    with pytest.raises(ActlabError, match=r"needs the data set 'data'.*al\.train"):
        al.train(AGENT, NAME, 40, out=tmp_path, **OPTIONS)
    assert "al.train" in (why_not(AGENT, task(NAME)) or "")
    with pytest.raises(ActlabError, match=r"Batch of decisions \[E, N\]"):
        check_rows({"data": jax.tree.map(lambda leaf: leaf[0], rows)}, task(NAME))
    with pytest.raises(ActlabError, match=r"codes of the data set 'data'.*\[1, 64, 2\]"):
        check_rows({"data": rows._replace(code=jnp.zeros((1, 64, 2)))}, task(NAME))
    seen = rows._replace(step=rows.step._replace(observation=np.zeros((1, 64, 9), np.float32)))
    with pytest.raises(ActlabError, match="observations of the data set 'data'"):
        check_rows({"data": seen}, task(NAME))


def test_a_fingerprint_is_of_the_numbers_alone(rows):
    one = fingerprints({"data": rows})
    assert one == fingerprints({"data": jax.tree.map(np.asarray, rows)})
    assert one == fingerprints({"data": rows._replace(memory=jnp.ones(3))})
    longer = rows._replace(next=rows.next._replace(reward=rows.next.reward + 1.0))
    assert fingerprints({"data": longer}) != one


def reading(folder, task):
    """A reader that a cell names."""
    return expert_rows(folder.name, 8, jax.random.key(0))


def test_a_cells_inputs_are_read_as_data_sets():
    readers = {"data": f"{__name__}:reading"}
    found = read_inputs(readers, {"data": Path("runs/policy-discrete")}, task(NAME))
    assert found["data"].valid.shape == (1, 8)
    assert read_inputs({}, {"data": Path("runs/policy-discrete")}, task(NAME)) == {}
    with pytest.raises(ActlabError, match=r"'data' should be an input of the cell; received \['other'\]"):
        read_inputs(readers, {"other": Path("x")}, task(NAME))
    with pytest.raises(ActlabError, match="codes of the data set 'data'"):
        read_inputs(readers, {"data": Path("runs/policy-box")}, task(NAME))

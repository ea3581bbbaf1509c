"""The action lab: numbers that can be computed by hand, and sentences for what cannot be shown."""

import re

import pytest

pytest.importorskip("starlette")


def test_an_action_is_shown_under_a_code(client):
    text = client.get("/lab", params={"task": "Pendulum-v1", "code": "normalise+bins:bins=5", "x0": "0.3"}).text
    numbers = dict(re.findall(r"<dt>([^<]+)</dt><dd>([^<]+)</dd>", text))
    assert float(numbers["bound of this code's cell (half its longest side)"]) == pytest.approx(0.4)
    assert float(numbers["lost here"]) == pytest.approx(0.3)
    assert float(numbers["largest loss of 256 uniform actions"]) <= 0.4


@pytest.mark.parametrize(
    ("task", "code", "sentence"),
    [
        ("Pendulum-v1", "bin", "bins"),
        ("Pendulum-v1", "bins:bins=1000000000", "too large"),
        ("CartPole-v1", "bins:bins=5", ""),
        ("evil:Task-v0", "identity", "task"),
        ("Pendulum-v1", "", ""),
    ],
)
def test_what_cannot_be_shown_is_said(client, task, code, sentence):
    answer = client.get("/lab", params={"task": task, "code": code})
    assert answer.status_code == 200
    problem = re.search(r'class="problem" role="alert">([^<]+)', answer.text)
    assert problem
    assert sentence in problem[1]


def test_masks_are_shown(client):
    text = client.get("/lab", params={"task": "probe/mask-dict", "code": "identity"}).text
    assert "illegal" in text


def test_actions_are_counted_natively_and_under_the_code(tmp_path, monkeypatch, client):
    pytest.importorskip("h5py")
    import numpy as np

    from actlab.data.episodes import Recordings, Trajectory
    from actlab.data.formats.minari import write
    from actlab.tasks import task

    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "data"))
    pendulum = task("Pendulum-v1")
    actions = np.array([[-2.0]] * 3 + [[2.0]] * 1, np.float32)
    episode = Trajectory(np.zeros((5, 3), np.float32), actions, np.zeros(4, np.float32), truncated=True)
    write(Recordings((episode,)), "local/two-v0", pendulum.environment.observation, pendulum.environment.action)
    text = client.get("/lab", params={"task": "Pendulum-v1", "code": "bins:bins=5", "data": "local/two-v0"}).text
    assert "4 recorded actions of local/two-v0" in text
    native, coded = re.findall(r'aria-label="histogram of[^"]*">(.*?)</svg>', text, re.DOTALL)
    heights = [[float(h) for h in re.findall(r' height="([0-9.]+)"', part)] for part in (native, coded)]
    assert heights[0] == [10.0, *[0.0] * 30, 3.333]
    assert heights[1] == [10.0, 0.0, 0.0, 0.0, 3.333]
    for data in ("local/none-v0", "../../etc/passwd"):
        answer = client.get("/lab", params={"task": "Pendulum-v1", "code": "bins:bins=5", "data": data})
        assert "There is no data set" in answer.text
    text = client.get("/lab", params={"task": "CartPole-v1", "code": "identity", "data": "local/two-v0"}).text
    assert 'role="alert"' in text

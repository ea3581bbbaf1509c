"""Picked runs and studies beside each other, by the report's own code."""

import re

import pytest

pytest.importorskip("starlette")
from tests.web.conftest import id_of


def test_picked_runs_are_compared_as_a_study(client):
    ids = [id_of(client, name) for name in ("good-0", "good-1", "other-0", "other-1", "half")]
    query = "&".join(f"run={id}" for id in ids)
    text = client.get(f"/compare?{query}").text
    assert "half is stopped: its curve is shown, and it has no score." in text
    assert "ppo + identity" in text
    assert "dqn + identity" in text
    for file in set(re.findall(r"/compare/figures/([\w-]+\.svg)", text)):
        svg = client.get(f"/compare/figures/{file}?{query}&themed=1")
        assert svg.headers["content-type"] == "image/svg+xml"
        assert "prefers-color-scheme: dark" in svg.text
        assert svg.text.count("<svg") == 1
    png = client.get(f"/compare/figures/1-scores.png?{query}")
    assert png.content.startswith(b"\x89PNG")
    rows = client.get(f"/compare/scores.csv?{query}").text.splitlines()
    assert len(rows) == 5
    assert sorted(float(row.split(",")[7]) for row in rows[1:]) == [200.0, 200.0, 201.0, 201.0]


def test_runs_with_other_settings_are_other_arms(client, make_run):
    make_run("wide", seed=0, options={"epochs": 8})
    ids = [id_of(client, name) for name in ("good-0", "wide", "good-1")]
    text = client.get("/compare", params={"run": ids}).text
    assert "ppo:epochs=4 + identity" in text
    assert "ppo:epochs=8 + identity" in text


def test_a_study_is_shown_as_its_report_would(client, root):
    from actlab.reports.result import Arm, SeedResult, StudyResult

    arms = [
        Arm(
            name,
            "ppo",
            name,
            "CartPole-v1",
            [SeedResult(s, {"return": {"deterministic": [base + s, base]}}) for s in range(5)],
            100,
        )
        for name, base in (("a", 10.0), ("b", 90.0))
    ]
    StudyResult("Which?", "actlab compare", ["CartPole-v1"], arms).save(root / "study" / "study.json")
    client.get("/runs")
    id = re.search(r'/compare\?study=([0-9a-f]{16})">Which', client.get("/compare").text)[1]
    text = client.get(f"/compare?study={id}").text
    assert "b beats a" in re.search(r'class="verdict">([^<]+)', text)[1]
    assert client.get(f"/compare/arms.csv?study={id}").text.count("\n") == 3
    both = {"study": id, "run": id_of(client, "good-0")}
    assert client.get("/compare", params=both).status_code == 400

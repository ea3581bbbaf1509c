"""Running a paper's study: what is kept, what is used again, what a Ctrl-C and a failure leave."""

import json
import shutil

import pytest

from actlab.core.errors import ActlabError
from actlab.papers.record import Edited, seal
from actlab.papers.reproduce import reproduce
from actlab.training.checkpoint import write_json
from actlab.training.loop import Interrupted
from tests.papers import coin


@pytest.fixture
def tossed(monkeypatch):
    """The cells that were computed, in order."""
    calls = []

    def counting(name):
        compute = vars(coin)[name]

        def counted(cell, folder, inputs, quiet):
            calls.append((name, cell.parameters.get("shift"), cell.seed))
            return compute(cell, folder, inputs, quiet)

        monkeypatch.setattr(coin, name, counted)

    counting("mint_cell")
    counting("toss_cell")
    return calls


def run(folder, paper=coin.PAPER, **options):
    return reproduce(paper, "small", results=folder / "results", out=folder / "runs", quiet=True, **options)


def test_a_result_holds_every_seed_and_where_it_comes_from(tmp_path):
    done = run(tmp_path, command="actlab reproduce coin")
    assert done.path == tmp_path / "results" / "coin" / "small.json"
    result = json.loads(done.path.read_text())
    assert result["claims"]["heavy-beats-fair"]["status"] == "reproduced"
    assert result["claims"]["odd-beats-fair"]["status"] == "not reproduced"
    assert result["claims"]["heads-up"]["status"] == "reproduced"
    assert result["claims"]["gold-beats-fair"]["status"] == "not yet run"
    heavy, fair = result["arms"]["heavy"], result["arms"]["fair"]
    assert [seed["seed"] for seed in heavy["seeds"]] == list(range(6))
    for mine, other in zip(heavy["seeds"], fair["seeds"], strict=True):
        assert mine["values"]["value"] == pytest.approx(other["values"]["value"] + 3.0)
        assert mine["values"]["unknown"] is None
        assert "tosses" not in mine["values"]
    assert heavy["configuration"]["inputs"]["mint"]["function"] == "tests.papers.coin:mint_cell"
    assert result["command"] == "actlab reproduce coin"
    assert result["versions"][0]["python"]
    assert set(result["machines"][0]) == {"system", "processor", "cores", "device"}
    assert result["complete"]
    assert len(result["sources"]) == 64
    assert len(list((tmp_path / "results" / "coin" / "cells").iterdir())) == 18
    assert [figure.name for figure in done.figures] == ["small-1.png", "small-2.png"]
    assert all(figure.read_bytes().startswith(b"\x89PNG") for figure in done.figures)


def test_the_machine_that_computed_a_cell_for_us_is_the_one_that_is_recorded(tmp_path, monkeypatch):
    toss, elsewhere = coin.toss_cell, {"system": "Moon", "processor": "cheese", "cores": 1, "device": "cpu"}

    def tossed_elsewhere(cell, folder, inputs, quiet):
        write_json(folder / "machine.json", elsewhere)
        return toss(cell, folder, inputs, quiet)

    monkeypatch.setattr(coin, "toss_cell", tossed_elsewhere)
    done = run(tmp_path)
    records = [json.loads(path.read_text()) for path in (done.path.parent / "cells").iterdir()]
    assert len(records) == 18
    for record in records:
        assert record["machine"] == elsewhere
        assert record["inputs"]["mint"]["machine"] != elsewhere


def test_the_primary_claims_arms_come_first_and_seed_by_seed(tmp_path, tossed):
    run(tmp_path)
    order = [(shift, seed) for kind, shift, seed in tossed if kind == "toss_cell"]
    assert order[:4] == [(3.0, 0), (0.0, 0), (3.0, 1), (0.0, 1)]
    assert len(order) == 18
    assert len(tossed) == 18 + 6, "the mints are shared"


def test_values_are_used_again_where_the_run_folders_are_not(tmp_path, tossed):
    before = run(tmp_path).path.read_bytes()
    shutil.rmtree(tmp_path / "runs")
    tossed.clear()
    assert run(tmp_path).path.read_bytes() == before
    assert tossed == []
    assert not (tmp_path / "runs").exists()


def test_after_ctrl_c_it_goes_on_and_ends_the_same(tmp_path, tossed, monkeypatch):
    compute, count = coin.toss_cell, iter(range(100))

    def stopped(cell, folder, inputs, quiet):
        if next(count) == 5:
            raise Interrupted("stopped")
        return compute(cell, folder, inputs, quiet)

    with monkeypatch.context() as patched:
        patched.setattr(coin, "toss_cell", stopped)
        with pytest.raises(Interrupted):
            run(tmp_path)
    half = json.loads((tmp_path / "results" / "coin" / "small.json").read_text())
    assert not half["complete"]
    assert half["claims"]["heavy-beats-fair"]["status"] == "not yet run"
    assert half["claims"]["heavy-beats-fair"]["reason"] == "3 of 6 seeds of heavy have ended"
    assert len(list((tmp_path / "results" / "coin" / "cells").iterdir())) == 5
    tossed.clear()
    whole = run(tmp_path)
    assert len([kind for kind, *_ in tossed if kind == "toss_cell"]) == 13
    undisturbed = reproduce(coin.PAPER, "small", results=tmp_path / "again", out=tmp_path / "other", quiet=True)
    assert whole.result["claims"] == undisturbed.result["claims"]


def test_one_claim_alone(tmp_path, tossed):
    done = run(tmp_path, claim="heads-up")
    assert {shift for _, shift, _ in tossed if shift is not None} == {3.0}
    assert done.result["claims"]["heads-up"]["status"] == "reproduced"
    assert done.result["claims"]["heavy-beats-fair"]["status"] == "not yet run"
    with pytest.raises(ActlabError, match="There is no claim named 'tails'; known: heavy-beats-fair"):
        run(tmp_path, claim="tails")
    with pytest.raises(ActlabError, match="not part of this scale"):
        reproduce(coin.LOST, "small", claim="gold-beats-fair", results=tmp_path / "x", out=tmp_path / "y", quiet=True)


def test_a_failed_cell_is_told_and_tried_again(tmp_path, tossed):
    done = run(tmp_path, coin.LOST)
    assert done.failed["heavy, seed 0"] == "the coin is lost"
    claim = done.result["claims"]["heavy-beats-fair"]
    assert (claim["status"], claim["reason"]) == ("not reproduced", "no seed of heavy gave a value")
    tossed.clear()
    run(tmp_path, coin.LOST)
    assert {shift for _, shift, _ in tossed} == {3.0}


def test_worker_processes_give_the_same(tmp_path):
    alone = run(tmp_path / "alone")
    helped = run(tmp_path / "helped", workers=2)
    assert helped.result["claims"] == alone.result["claims"]


def test_a_record_that_was_edited_is_never_used(tmp_path):
    run(tmp_path)
    path = next((tmp_path / "results" / "coin" / "cells").iterdir())
    path.write_text(path.read_text().replace('"heads": ', '"heads": 1'))
    with pytest.raises(Edited, match="was edited by hand"):
        run(tmp_path)


def older(path):
    """A file of ours as if it had been written by other code."""
    content = json.loads(path.read_text())
    content["sources"] = {**content["sources"], "tests.papers.coin": "0" * 12}
    if "digest" in content:
        content["digest"] = seal(content)
    path.write_text(json.dumps(content))


def test_only_renew_computes_what_is_older_than_its_code_again(tmp_path, tossed):
    run(tmp_path)
    mint = next((tmp_path / "runs").glob("mint-s3-*/provenance.json"))
    older(mint)
    for path in (tmp_path / "runs").glob("toss-s3-*/provenance.json"):  # as if made from those coins
        stamp = json.loads(path.read_text())
        path.write_text(json.dumps({**stamp, "made from": {"mint": seal(json.loads(mint.read_text()))}}))
    for path in (tmp_path / "results" / "coin" / "cells").iterdir():
        record = json.loads(path.read_text())
        if record["seed"] == 3 and record["parameters"]["shift"] == 3.0:
            older(path)
    tossed.clear()
    run(tmp_path)
    assert tossed == []
    run(tmp_path, renew=True)
    assert tossed == [("mint_cell", None, 3), ("toss_cell", 3.0, 3)], "and what its coins were made into"


def test_what_something_else_computed_has_no_known_code(tmp_path):
    """A finished run folder without a stamp is used, and its values are never taken for those of today's code."""
    from actlab.papers.record import changed_code, read_sealed
    from actlab.papers.sources import Library

    run(tmp_path)
    for stamp in (tmp_path / "runs").glob("*/provenance.json"):
        stamp.unlink()
    shutil.rmtree(tmp_path / "results")
    run(tmp_path)
    record = read_sealed(next((tmp_path / "results" / "coin" / "cells").iterdir()), "actlab cell 1")
    assert changed_code(record, Library()) == ["tests.papers.coin"]


def test_agents_are_trained_from_data_that_other_cells_make(tmp_path):
    done = reproduce(coin.LEARNED, "smoke", results=tmp_path / "results", out=tmp_path / "runs", quiet=True)
    assert done.failed == {}
    cloned = done.result["arms"]["cloned"]
    train = cloned["configuration"]["inputs"]["train"]
    assert train["parameters"]["options"]["width"] == 8
    assert train["inputs"]["data"]["function"] == "tests.papers.coin:rows_cell"
    assert {"return", "return/stochastic"} <= cloned["seeds"][0]["values"].keys()
    assert done.result["claims"]["learns"]["status"] in ("direction only", "not reproduced")
    records = [json.loads(path.read_text()) for path in (tmp_path / "results" / "coin" / "cells").iterdir()]
    (train, *_) = [record["inputs"]["train"] for record in records if record["inputs"]["train"]["inputs"]]
    assert "actlab.agents.bc" in train["sources"]
    assert "tests.papers.coin" in train["inputs"]["data"]["sources"]
    assert train["seconds"] > 0.0

"""What a suggestion says of its candidates, and its page."""

import json

import numpy as np

from actlab.reports.result import Arm, Failure, SeedResult, Skipped, StudyResult
from actlab.reports.suggest import RungResult, SuggestResult
from actlab.reports.suggest_page import write_page


def study(scores, failed=()) -> StudyResult:
    def seeds(values) -> list[SeedResult]:
        return [SeedResult(i, {"return": {"deterministic": [float(x)]}}) for i, x in enumerate(values)]

    arms = [Arm(name, name[0], name[-1], "task", seeds(values)) for name, values in scores.items()]
    return StudyResult("which?", "actlab suggest ...", ["task"], arms, failed=list(failed))


FIRST = {"a + x": (10, 12), "b + x": (30, 31), "c + y": (50, 10), "d + y": ()}
CLOSE = {"b + x": (30, 40, 35, 20, 25), "c + y": (31, 43, 35, 21, 27)}
CLEAR = {"b + x": (30, 40, 35, 20, 25), "c + y": (91, 93, 95, 96, 97)}


def suggestion(last=CLOSE, seeds: int = 5) -> SuggestResult:
    dropped = {"a + x": "place 3 of 4, 2 go on", "d + y": "no seed finished: boom"}
    order = ("b + x", "c + y", "a + x", "d + y")
    final = {name: scores[:seeds] for name, scores in last.items()}
    ranked = tuple(sorted(final, key=lambda name: -float(np.mean(final[name]))))
    rungs = (
        RungResult(study(FIRST, [Failure("d + y", 0, "boom")]), 2, 1_000, 8_000, order, dropped),
        RungResult(study(final), seeds, 2_000, 20_480, ranked, {}),
    )
    skipped = (Skipped("td3", "identity", "it decides over boxes.", "task"),)
    return SuggestResult(
        "task", "30k", rungs, skipped, "actlab suggest task --budget 30k", "actlab train c --task task"
    )


def test_the_ranking_puts_who_went_further_above():
    rows = suggestion().rows
    assert [row.name for row in rows] == ["c + y", "b + x", "a + x", "d + y"]
    assert [row.rung for row in rows] == [2, 2, 1, 1]
    assert [len(row.scores) for row in rows] == [5, 5, 2, 0]
    assert rows[3].mean is None
    assert rows[2].mean.value == 11
    table = suggestion().table()
    assert table.cells()[2][1:] == ["a + x", "11 [-2, 24]", "2", "1,000", "rung 1 of 2: place 3 of 4, 2 go on"]
    assert table.cells()[0][-1] == "\u2013"
    assert suggestion().schedule().cells() == [["1", "4", "2", "1,000", "8,000"], ["2", "2", "5", "2,000", "20,480"]]
    assert suggestion().planned == 4 * 2 * 1_000 + 2 * 5 * 2_000


def test_what_the_budget_cannot_separate_is_said():
    sure = suggestion(CLOSE).sureness
    assert (sure.first, sure.second, sure.conclusive) == ("c + y", "b + x", False)
    assert "The budget cannot separate the two: the interval of the difference contains zero." in sure.sentence
    assert sure.needed > 50
    assert f"about {sure.needed} seeds of each would show it" in sure.sentence
    few = suggestion(CLEAR, seeds=2).sureness
    assert not few.conclusive
    assert "only 2 seeds" in few.sentence
    same = suggestion({"b + x": (5,) * 5, "c + y": (5,) * 5}).sureness
    assert (same.conclusive, same.needed) == (False, None)
    assert "identical scores" in same.sentence


def test_a_clear_winner_is_said_with_its_probability():
    sure = suggestion(CLEAR).sureness
    assert sure.conclusive
    assert sure.improvement == 1.0
    assert sure.needed is None
    assert sure.advantage.low > 0
    assert "with probability 1. That is beyond the luck of the seeds (p " in sure.sentence
    assert suggestion(CLEAR).headline.startswith("task: c + y, with return 94.4 [")


def test_the_cautions_name_who_may_have_been_dropped_by_luck():
    cautions = suggestion().cautions
    assert "from 1,000 steps" in cautions[0]
    assert cautions[1] == "One of them was not told apart from the one kept last: a + x."
    early, late = suggestion().rungs
    steady = study({**FIRST, "c + y": (50, 50.5)})
    rungs = (RungResult(steady, 2, 1_000, 8_000, early.order, early.dropped), late)
    assert SuggestResult("task", "30k", rungs, ()).cautions == cautions[:1]  # it was told apart
    assert SuggestResult("task", "30k", (late,), ()).cautions == []  # nobody was dropped early


def test_one_candidate_alone_and_none_at_all():
    one = SuggestResult("task", "9k", (RungResult(study({"a + x": (1, 2)}), 2, 10, 40, ("a + x",), {}),), ())
    assert one.sureness is None
    assert one.best.name == "a + x"
    dropped = {"a + x": "no seed finished"}
    none = SuggestResult("task", "9k", (RungResult(study({"a + x": ()}), 2, 10, 0, ("a + x",), dropped),), ())
    assert none.best is None
    assert none.headline == "task: no seed finished, so nothing is suggested."
    assert json.loads(none.to_json())["ranking"][0]["mean"] is None


def test_the_file_holds_json_values_only():
    content = json.loads(suggestion().to_json())
    assert [row["candidate"] for row in content["ranking"]] == ["c + y", "b + x", "a + x", "d + y"]
    assert content["ranking"][3]["dropped"] == "no seed finished: boom"
    assert content["rungs"][0]["steps"] == 1_000
    assert content["trained steps"] == 28_480
    assert content["sureness"]["separated"] is False
    assert content["left out"][0]["reason"] == "it decides over boxes."


def test_the_page_holds_everything_and_is_the_same_twice(tmp_path):
    page = write_page(suggestion(), tmp_path / "one")
    text = page.read_text("utf-8")
    for part in (
        "c + y",
        "cannot separate",
        "actlab train c --task task",
        "it decides over boxes.",
        "no seed finished",
    ):
        assert part in text
    assert text.count("<svg") == 2
    assert "http" not in text.replace("http-equiv", "")
    assert (tmp_path / "one" / "figures" / "rung-2.png").stat().st_size > 1000
    again = write_page(suggestion(), tmp_path / "two")
    assert again.read_bytes() == page.read_bytes()


def test_names_cannot_bring_markup(tmp_path):
    result = suggestion()
    evil = SuggestResult("<script>", "30k", result.rungs, result.left_out)
    assert "<script>" not in write_page(evil, tmp_path).read_text("utf-8")

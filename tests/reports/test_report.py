"""The report's folder and its page."""

import csv
import re
from html.parser import HTMLParser

import pytest

from actlab.reports import html
from actlab.reports.compare import write_report
from actlab.reports.result import Arm, Failure, SeedResult, StudyResult
from actlab.reports.summary import arms_table, headline, judge, normalised

HOSTILE = '<script>alert("x")</script>--><img src=http://evil.example/a onerror=b>'


class Page(HTMLParser):
    """Elements with their attributes, all identifiers, and the text."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.attributes, self.text, self.open = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append(tag)
        self.attributes += attributes
        if tag not in ("meta", "path", "use", "rect", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append(tag)
        self.attributes += attributes

    def handle_endtag(self, tag):
        if tag in self.open:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def written(study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    result = study()
    return result, write_report(result, folder)


def test_the_folder_holds_all(written):
    result, path = written
    files = sorted(str(file.relative_to(path.parent)) for file in path.parent.rglob("*") if file.is_file())
    curves = [f"figures/hopper-v5-{kind}.{suffix}" for kind in ("curves", "scores") for suffix in ("png", "svg")]
    assert files == ["arms.csv", "arms.tex", *curves, "report.html", "scores.csv", "study.json"]
    assert StudyResult.load(path.parent / "study.json").to_json() == result.to_json()
    rows = list(csv.DictReader((path.parent / "scores.csv").read_text("utf-8").splitlines()))
    assert len(rows) == 2 * 5 * 3
    first = next(row for row in rows if row["policy"] == "stochastic")
    assert float(first["score"]) == result.arms[0].seeds[0].score("return", "stochastic")


def test_the_page_says_what_was_found(written):
    _, path = written
    page = Page(path.read_text("utf-8"))
    words = " ".join(" ".join(page.text).split())
    for sentence in (
        "Which code learns best?",
        "5 seeds; sac + bins:bins=7 beats ppo + normalise by ",
        "DQN needs a finite code.",
        "The reward was NaN at step 12.",
        "5 of 6",
        "actlab compare ppo sac --task Hopper-v5 --steps 5k",
        "mean of 2 episodes",
        "native environment steps",
    ):
        assert sentence in words, sentence
    assert page.elements.count("svg") == 2
    assert not page.open


def test_the_page_loads_nothing_and_runs_nothing(written):
    _, path = written
    text = path.read_text("utf-8")
    page = Page(text)
    assert not {"script", "link", "img", "iframe", "object", "image", "a"} & set(page.elements)
    assert not re.search(r"https?:|//[a-z]|@import|\ssrc=", text)
    for name, value in page.attributes:
        assert not name.startswith("on")
        if name.endswith("href"):
            assert value.startswith("#")
    for target in re.findall(r"url\(([^)]*)\)", text):
        assert target.startswith("#")


def test_identifiers_are_unique_and_references_meet_them(written):
    _, path = written
    page = Page(path.read_text("utf-8"))
    identifiers = [value for name, value in page.attributes if name == "id"]
    assert len(identifiers) == len(set(identifiers)) > 10
    used = {value[1:] for name, value in page.attributes if name.endswith("href")}
    used |= set(re.findall(r"url\(#([^)]*)\)", path.read_text("utf-8")))
    assert used
    assert used <= set(identifiers)


def test_hostile_names_are_shown_and_never_markup(study, tmp_path):
    result = study(
        tasks=(HOSTILE,),
        seeds=2,
        names=((HOSTILE, "b"), ("c", "</style>{{ 7 * 7 }}")),
        question=HOSTILE,
        command=HOSTILE,
        configuration={HOSTILE: HOSTILE},
        versions={HOSTILE: "1"},
        failed=[Failure(HOSTILE, 1, HOSTILE)],
        curve_label=HOSTILE,
    )
    path = write_report(result, tmp_path)
    page = Page(path.read_text("utf-8"))
    assert not {"script", "img"} & set(page.elements)
    assert HOSTILE in "".join(page.text)
    assert "{{ 7 * 7 }}" in "".join(page.text)
    assert page.elements.count("style") == 1
    files = [file.relative_to(tmp_path) for file in (tmp_path / "figures").iterdir()]
    assert all(re.fullmatch(r"[a-z0-9.-]+", file.name) for file in files)


def test_the_same_result_gives_the_same_bytes(written, tmp_path):
    _, path = written
    again = write_report(StudyResult.load(path.parent / "study.json"), tmp_path)
    for file in path.parent.rglob("*"):
        if file.is_file():
            assert file.read_bytes() == (tmp_path / file.relative_to(path.parent)).read_bytes(), file
    assert again.name == "report.html"


def test_several_tasks_have_aggregates(study, tmp_path):
    result = study(tasks=("A-v1", "B-v1"))
    judged = judge(result)
    assert headline(result, judged) == "sac + bins:bins=7 wins on A-v1 and B-v1."
    path = write_report(result, tmp_path)
    text = path.read_text("utf-8")
    assert text.count("<svg") == 7
    assert "All tasks together" in text
    scale = normalised(result)
    assert scale.arms["ppo + normalise"][0] == pytest.approx(
        [seed.score("return") / 400 for seed in result.arms[0].seeds]
    )


def test_several_tasks_without_references_have_no_common_scale(study):
    result = study(tasks=("A-v1", "B-v1"), references={"A-v1": {"random": 0.0, "expert": 1.0}})
    assert "B-v1 states no scores of random and expert" in normalised(result).reason
    assert "There is no figure over all tasks: B-v1 states no scores" in html.render(result)


def test_nothing_finished(tmp_path):
    failed = [Failure("ppo + identity", seed, "The environment did not start.") for seed in range(2)]
    arm = Arm("ppo + identity", "ppo", "identity", "Hopper-v5")
    text = write_report(StudyResult("Q?", "", ["Hopper-v5"], [arm], failed=failed), tmp_path).read_text("utf-8")
    assert "No arm finished a single seed" in text
    assert "all 2 seeds failed" in text
    assert "The environment did not start." in text
    assert not (tmp_path / "figures").exists()


def test_a_seed_without_curve_or_other_policy(tmp_path):
    seeds = [SeedResult(seed, {"return": {"deterministic": [float(seed)]}}) for seed in range(5)]
    result = StudyResult("Q?", "", ["T"], [Arm("a", "a", "i", "T", seeds)])
    text = write_report(result, tmp_path).read_text("utf-8")
    assert text.count("<svg") == 1
    table = arms_table(result, "T", judge(result)["T"])
    row = dict(zip(table.header, table.cells()[0], strict=True))
    assert row["mean return"] == "2.0"
    assert row["95% interval"] == "[0.0, 4.0]"
    assert row["violations / episode"] == "\u2013"


def test_a_failed_seed_that_also_left_a_score_without_number_counts_once():
    seeds = [SeedResult(0, {"return": {"deterministic": [1.0]}}), SeedResult(1, {})]
    result = StudyResult("Q?", "", ["T"], [Arm("a", "a", "i", "T", seeds)], failed=[Failure("a", 1, "NaN.")])
    assert judge(result)["T"].arms[0].failed == 1


@pytest.mark.parametrize(("taken", "told"), [(1_040, False), (1_250, True)])
def test_more_steps_than_the_budget_are_told(taken, told):
    seeds = [
        SeedResult(seed, {"return": {"deterministic": [float(seed)]}}, curve=[(500, 0.0), (taken, 1.0)])
        for seed in range(3)
    ]
    arms = [Arm("slow", "ppo", "chunk:length=4", "t", seeds, steps=1_000), Arm("none", "ppo", "identity", "t", [])]
    said = judge(StudyResult("which?", "actlab compare", ["t"], arms))["t"].may_not
    assert any("slow would do after 1,000 steps: it took 1,250" in line for line in said) == told

"""Figures: what they show, and that the same data give the same bytes."""

import numpy as np
import pytest

from actlab.reports import figures, style
from actlab.reports.statistics import StatisticsError, t_interval

CURVES = {
    "a": [[(0, 0.0), (10, 10.0), (20, 20.0)], [(0, 2.0), (20, 26.0)], [(0, 4.0), (10, 18.0), (20, 20.0)]],
    "b": [[(0, 1.0), (20, 1.0)]],
}


def lines(figure, width=None):
    found = figure.axes[0].get_lines()
    return [line for line in found if width is None or line.get_linewidth() == width]


def test_learning_curves_show_every_seed_the_mean_and_its_band():
    figure = figures.learning_curves(CURVES, ylabel="return, greedy policy, 5 episodes")
    assert len(lines(figure, 0.7)) == 4
    mean = lines(figure, 2)[0]
    np.testing.assert_allclose(mean.get_xdata(), [0, 10, 20])
    np.testing.assert_allclose(mean.get_ydata(), [2, 14, 22])  # the second seed's middle is interpolated
    band = figure.axes[0].collections[0].get_paths()[0].vertices
    expected = t_interval([10.0, 14.0, 18.0])
    at_ten = band[np.isclose(band[:, 0], 10)][:, 1]
    np.testing.assert_allclose(sorted(set(at_ten.round(6))), [expected.low, expected.high], rtol=1e-5)
    assert figure.axes[0].get_xlabel() == "native environment steps"
    assert {label.get_text() for label in figure.axes[0].texts} == {"a", "b"}


def test_a_mean_is_not_continued_beyond_the_shortest_seed():
    figure = figures.learning_curves({"a": [[(0, 0.0), (10, 1.0)], [(0, 0.0), (30, 3.0)]]}, ylabel="return")
    assert lines(figure, 2)[0].get_xdata().max() == 10
    assert max(line.get_xdata().max() for line in lines(figure, 0.7)) == 30


def test_no_curve_is_an_error():
    with pytest.raises(StatisticsError, match="no curve to draw"):
        figures.learning_curves({"a": [[]], "b": [[(0, np.nan)]]}, ylabel="return")


def test_final_scores_show_every_seed():
    scores = {"a": [1.0, 2.0, 3.0], "b": [5.0, np.nan], "none": []}
    figure = figures.final_scores(scores, xlabel="return", references={"random": 2.5, "expert": 900.0})
    dots = [line for line in lines(figure) if line.get_linestyle() == "None"]
    np.testing.assert_allclose([len(dot.get_xdata()) for dot in dots], [3, 1])
    words = {label.get_text() for label in figure.axes[0].texts}
    assert words == {"no seed finished", "random"}


def test_dots_that_would_hide_one_another_are_set_apart():
    offsets = style.apart(np.array([1.0, 1.0, 1.0, 9.0]), 10.0)
    assert len(set(offsets[:3])) == 3
    assert offsets[3] == 0


def test_labels_do_not_overlap():
    places = style.spaced([0.5, 0.5, 0.51, 0.99], [0.1] * 4)
    assert (np.diff(places) >= 0.1 - 1e-9).all()
    assert max(places) <= 1.0


def test_arms_differ_in_more_than_colour_and_never_repeat_soon():
    order = [f"arm {i}" for i in range(24)]
    looks = [style.look(name, order) for name in order]
    assert len({(colour, str(dash)) for colour, _, dash in looks}) == 24
    assert len({(colour, marker) for colour, marker, _ in looks}) == 24


def test_tick_labels():
    assert [style.short(x) for x in (0, 2500, 50_000, 1_500_000, -20_000)] == ["0", "2500", "50k", "1.5M", "\u221220k"]
    assert [style.step_count(x) for x in (0, 500, 4000, 12_500)] == ["0", "500", "4k", "12.5k"]


def test_the_same_data_give_the_same_bytes_with_any_name(tmp_path):
    names = {"a": "$x^2$ <script> _{", "b": "--> & \u00e9"}
    written = []
    for folder in ("first", "second"):
        curves = {names[name]: values for name, values in CURVES.items()}
        figure = figures.learning_curves(curves, ylabel="return", title="$\\frac{")
        paths = figures.save(figure, tmp_path / folder / "curves.png")
        assert [path.name for path in paths] == ["curves.png", "curves.svg"]
        written.append([path.read_bytes() for path in paths])
    assert written[0] == written[1]
    assert written[0][0].startswith(b"\x89PNG")
    assert b"<script" not in written[0][1]
    assert b"dc:date" not in written[0][1]


def test_settings_outside_are_left_alone():
    import matplotlib

    before = dict(matplotlib.rcParams)
    figures.png(figures.final_scores({"a": [1.0, 2.0]}, xlabel="return"), dots_per_inch=40)
    assert dict(matplotlib.rcParams) == before


def test_figures_over_tasks():
    generator = np.random.default_rng(0)
    scores = {"a": list(generator.normal(0.5, 0.1, (3, 5))), "b": list(generator.normal(0.7, 0.1, (3, 5)))}
    profile = figures.performance_profiles(scores)
    heights = lines(profile)[0].get_ydata()
    assert heights[0] == 1
    assert heights[-1] == 0
    assert len(figures.aggregate_intervals(scores).axes) == 4
    improvement = figures.improvement({("b", "a"): (scores["b"], scores["a"])})
    assert 0.5 < lines(improvement)[1].get_xdata()[0] <= 1.0

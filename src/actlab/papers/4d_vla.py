"""4D-VLA: where every pixel lies for the robot, and a few telling moments of the past (arXiv 2506.22242). Planned."""

from actlab.papers.card import Card, Paper, Reported

CARD = Card(
    slug="4d-vla",
    title="4D-VLA: Spatiotemporal Vision-Language-Action Pretraining with Cross-Scene Calibration",
    date="2025-06-27",
    authors=11,
    arxiv="2506.22242",
    code="LogosRoboticsGroup/4D-VLA (PyTorch; licence not known)",
    summary=(
        "When recordings of many robots are pooled, the same picture can ask for different actions, because nobody "
        "can see where the robot's axes point or which part of the task is next. This model adds to each visual "
        "token its position in metres, in the robot's own frame, and picks five past frames that differ most from "
        "each other. Success rises on LIBERO and on a new test that moves the camera, and degrades less as frames "
        "are rotated. Worth it if you have depth and calibrated cameras, and viewpoints that change. It costs depth "
        "sensors, calibration and about five frames of tokens at every decision."
    ),
    here=(
        "an agent by behaviour cloning that reads camera columns and keeps a memory of twenty frames; the code is "
        "the plain continuous one, so that any other can stand in its place"
    ),
    tags=(
        "imitation",
        "representation-learning",
        "perception",
        "end-to-end",
        "space-and-time",
        "open-world",
        "benchmarks",
    ),
    kinds=("agent", "benchmark"),
    related=("univla", "vita", "vipra", "vla-anatomy"),
)

CLAIMS = (
    Reported(
        name="space-and-time-help",
        text="With positions and past frames the policy succeeds more often than OpenVLA.",
        task="LIBERO, mean of four suites",
        published="88.6 %, where OpenVLA has 76.5 %",
        source="table 1",
        primary=True,
    ),
    Reported(
        name="new-viewpoints",
        text="It holds when the camera stands where it never stood in training.",
        task="MV-Bench: known and new viewpoints",
        published="81.0 % and 73.8 %, where OpenVLA has 52.2 % and 50.5 %",
        source="table 2, by way of reading notes",
    ),
    Reported(
        name="rotated-frames",
        text="Random rotations of the robot's frame hurt less with positions than without.",
        task="share of successes from no rotation to the largest",
        published="75 to 30 % with positions, 64 to 8 % without",
        source="figure 7, by way of reading notes",
    ),
    Reported(
        name="chosen-frames",
        text="Choosing frames that differ beats taking them at equal distances.",
        task="LIBERO-Spatial",
        published="0.866 against 0.738",
        source="table 8, by way of reading notes",
    ),
)

PAPER = Paper(CARD, CLAIMS)

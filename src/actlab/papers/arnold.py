"""ARNOLD: goals in words that are points on a scale (arXiv 2304.04321). Planned."""

from actlab.papers.card import Card, Paper, Reported

CARD = Card(
    slug="arnold",
    title=("ARNOLD: A Benchmark for Language-Grounded Task Learning With Continuous States in Realistic 3D Scenes"),
    date="2023-04-09",
    authors=12,
    arxiv="2304.04321",
    code="arnold-benchmark/arnold (MIT, PyTorch, Isaac Sim)",
    summary=(
        "Tests of robots that follow instructions mostly know two states, open and shut. This benchmark asks for "
        "values between: a drawer open by half, a cup emptied to a quarter, and the object has to stay there for two "
        "seconds. Eight tasks of a robot arm come with ten thousand demonstrations, and with splits for objects, "
        "rooms and values that training never showed. The published policies manage about two in five of the seen "
        "kind, and next to nothing for new values: they do not interpolate. Take it, or the idea, if your "
        "instructions contain numbers. The original wants a large simulator and a strong graphics card."
    ),
    here=(
        "a task of two key frames (grasp, then goal pose) whose context is a sentence with a number; policies by "
        "behaviour cloning, with poses written in different codes as the arms of the comparison"
    ),
    tags=("discretisation", "imitation", "data-and-evaluation", "benchmarks", "space-and-time"),
    kinds=("benchmark",),
    related=("vla-anatomy", "4d-vla", "data-quality"),
)

CLAIMS = (
    Reported(
        name="new-values-fail",
        text="The best policy fails for goal values that it was never trained on.",
        task="PerAct, mean success over eight tasks: held-out values, and values as in training",
        published="4.49 % against 42.47 %",
        source="table of the benchmark's site",
        primary=True,
    ),
    Reported(
        name="words-are-needed",
        text="Without the sentence the policy does less than half as well.",
        task="mean success over eight tasks, values as in training",
        published="42.47 % with language, 17.67 % without",
        source="table of the benchmark's site",
    ),
    Reported(
        name="new-objects-are-hard",
        text="Objects and rooms that are new cost a good part of the success.",
        task="PerAct, mean success over eight tasks: new objects, new rooms",
        published="22.84 % and 29.73 %",
        source="table of the benchmark's site",
    ),
)

PAPER = Paper(CARD, CLAIMS)

"""CAMEL: bounds on actions, written by a language model and faded out (arXiv 2502.11896). Planned."""

from actlab.papers.card import Card, Paper, Reported

CARD = Card(
    slug="camel",
    title="CAMEL: Continuous Action Masking Enabled by Large Language Models for Reinforcement Learning",
    date="2025-02-17",
    authors=4,
    arxiv="2502.11896",
    code="",
    summary=(
        "At the start of training nearly every action that is tried makes no sense. A language model that has read a "
        "description of the robot can write a rough controller in Python, and CAMEL allows only actions near to what "
        "that program says, by bounds that move with the state. TD3 learns inside the bounds, and they are applied "
        "less and less often, until the agent is on its own. For Hopper and Ant this saved samples; for Walker the "
        "program was useless, and did no harm. Try it where observations are named numbers. Programs have to be "
        "screened and run in a sandbox, and they run on the host at each step."
    ),
    here=(
        "a constraint that wraps a program and gives intervals, with a coin in its memory that says whether they "
        "hold; TD3 whose replay keeps the intervals of both steps"
    ),
    tags=("intervals", "language-and-code", "value-based", "safety", "online-learning"),
    kinds=("constraint", "agent"),
    related=("sequoia", "onelife", "arsq"),
)

CLAIMS = (
    Reported(
        name="saves-samples",
        text="Bounds from the program make learning faster, about as fast as bounds from an expert.",
        task="Hopper-v4 and Ant-v4",
        published="as good as an expert's bounds or better; no figure in the abstract",
        source="abstract",
        primary=True,
    ),
    Reported(
        name="a-bad-program-does-no-harm",
        text="Where the program misses the gait, the agent stays at the level of TD3.",
        task="Walker2d-v4",
        published="no notable loss; no figure in the abstract",
        source="abstract",
    ),
)

PAPER = Paper(CARD, CLAIMS)

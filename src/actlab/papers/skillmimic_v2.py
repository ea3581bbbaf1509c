"""SkillMimic-V2: make the connections that demonstrations lack (arXiv 2505.02094). Planned."""

from actlab.papers.card import Card, Paper, Reported

CARD = Card(
    slug="skillmimic-v2",
    title="SkillMimic-V2: Learning Robust and Generalizable Interaction Skills from Sparse and Noisy Demonstrations",
    date="2025-05-04",
    authors=7,
    comments=1,
    arxiv="2505.02094",
    code="Ingrid789/SkillMimic-V2 (Apache-2.0, PyTorch, Isaac Gym)",
    summary=(
        "A simulated body should learn to dribble and shoot from a few clips of one to three seconds, some of them "
        "wrong. Tracking such clips breaks as soon as the body leaves them. Version two invents the missing "
        "passages: from states around a clip into it and from one skill into the next, with frames in between that "
        "nobody scores; it starts more often where tracking is bad, and gives the policy a three-number summary of "
        "its past. Success on ball skills nearly doubled, and passing from one skill to another became reliable. Use "
        "it for imitation from states alone in a fast simulator; it takes about a billion samples."
    ),
    here=(
        "PPO that tracks reference states, whose starts the learner picks itself as contexts; a cell before it trains "
        "the encoder of the past, and the skill is part of the context"
    ),
    tags=(
        "skills",
        "imitation",
        "mixed-quality-data",
        "policy-gradient",
        "continual-learning",
        "mixed-data",
        "recovery",
    ),
    kinds=("agent",),
    related=("data-quality", "metra", "grounding-plans", "sgrl"),
)

CLAIMS = (
    Reported(
        name="ball-skills",
        text="With the additions far more trials of a ball skill succeed.",
        task="BallPlay-M, mean of five skills, against SkillMimic",
        published="96.9 % against 53.3 %",
        source="table of the ball skills",
        primary=True,
    ),
    Reported(
        name="transitions",
        text="Passing from one skill to another works, though no clip shows it.",
        task="BallPlay-M, mean of four pairs of skills, against SkillMimic",
        published="93.8 % against 15.1 %",
        source="table of the ball skills",
    ),
    Reported(
        name="household-objects",
        text="Household motions, which hardly worked before, work.",
        task="ParaHome, mean of seven, against SkillMimic",
        published="100 % against 5.5 %",
        source="table of the household motions",
    ),
    Reported(
        name="the-memory-counts",
        text="Of the additions, the summary of the past gives the last and large step.",
        task="BallPlay-M, all other additions with and without it",
        published="96.94 % against 76.44 %",
        source="ablation table",
    ),
)

PAPER = Paper(CARD, CLAIMS)

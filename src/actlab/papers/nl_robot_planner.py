"""Language between person, room and robot: plan, watch, explain, try again (arXiv 2411.15033). Planned."""

from actlab.papers.card import Card, Paper, Reported

CARD = Card(
    slug="nl-robot-planner",
    title="One to rule them all: natural language to bind communication, perception and action",
    date="2024-11-22",
    authors=3,
    comments=2,
    organisation="University of Milan, University of Milano-Bicocca and Oversonic Robotics",
    arxiv="2411.15033",
    code="",
    summary=(
        "People ask service robots for things in everyday words, and rooms change all day. Here a language model that "
        "is never retrained plans one skill at a time, may question a graph of the room before it acts, and sees what "
        "each skill did as a change of that graph. When a step fails, another part compares it with failures of "
        "the past and writes advice for the next attempt. Simple requests mostly worked, complex ones seldom. It "
        "suits robots whose skills are reliable and named. There is no baseline to compare with, and every step waits "
        "for the model."
    ),
    here=(
        "a policy on the host whose actions are skills and questions, with arguments that are nodes of a map in its "
        "memory; the failures in its state outlive an episode"
    ),
    tags=(
        "skills",
        "levels",
        "grammars-and-graphs",
        "maps",
        "hierarchical",
        "complex-instructions",
        "decomposition",
        "recovery",
    ),
    kinds=("planner", "agent"),
    related=("toolchain-star", "grounding-plans", "rl-experimenters", "etp-r1"),
)

CLAIMS = (
    Reported(
        name="simple-requests",
        text="Simple requests succeed nine times in ten.",
        task="30 simple requests to a simulated service robot",
        published="90 %",
        source="table 1, by way of a summary",
        primary=True,
    ),
    Reported(
        name="complex-requests",
        text="Complex requests mostly fail.",
        task="20 moderate and 10 complex requests",
        published="75 % and 25 %",
        source="table 1, by way of a summary",
    ),
)

PAPER = Paper(CARD, CLAIMS)

"""Systematic neural search: solve a new world while living in it (arXiv 2410.01349). Planned."""

from actlab.papers.card import Card, Paper, Reported

CARD = Card(
    slug="neural-search",
    title="Life, uh, Finds a Way: Systematic Neural Search",
    date="2024-10-02",
    authors=2,
    organisation="OIST",
    arxiv="2410.01349",
    code="",
    summary=(
        "Sometimes there is one life, no training and no way back to the start. This system plans on a graph that it "
        "draws while it moves: edges nobody tried are assumed to work, the nearest way is attempted first, and each "
        "failure makes an edge dearer and adds a place beside it, so that behaviours are tried from simple to "
        "complicated. The authors argue that whatever can be done is found in the end, and show it in navigation. "
        "Try it where resets are impossible and a rough controller towards a nearby point exists. It promises "
        "nothing about speed, and nothing it learns reaches beyond the place where it lives."
    ),
    here=(
        "an agent that learns within a single episode: a graph in its state, the present edge in its memory, and "
        "places as actions through a controller that plays them"
    ),
    tags=("maps", "levels", "online-learning", "recovery"),
    kinds=("agent", "planner"),
    related=("etp-r1", "metra", "toolchain-star"),
)

CLAIMS = (
    Reported(
        name="solves-without-training",
        text="It reaches goals in continuous worlds that it has not seen, without training or resets.",
        task="navigation",
        published="solved; no figure in the abstract",
        source="abstract",
        primary=True,
    ),
    Reported(
        name="mazes-and-classic-control",
        text="It finds its way through mazes reliably, and does well on harder classic control.",
        task="mazes and classic control",
        published="fast and with high rewards; no figure in the abstract",
        source="abstract of the later version",
    ),
)

PAPER = Paper(CARD, CLAIMS)

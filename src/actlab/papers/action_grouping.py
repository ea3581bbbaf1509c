"""Action grouping: how coarse a huge action set should be (arXiv 2306.12981). Planned."""

from actlab.papers.card import Card, Paper, Reported

CARD = Card(
    slug="action-grouping",
    title="Achieving Sample and Computational Efficient Reinforcement Learning by Action Space Reduction via Grouping",
    date="2023-06-22",
    authors=3,
    organisation="Ohio State University",
    arxiv="2306.12981",
    code="",
    summary=(
        "Thousands of actions that nearly do the same can be lumped together; the question is how many lumps. Small "
        "groups lose little of the best value but have to be estimated one by one, so with a fixed number of samples "
        "or sweeps there is a best size, and it is not the finest. The paper bounds the loss of a planner on the "
        "grouped model and gives a way to choose the groups whose cost does not grow with the number of actions. It "
        "is theory with small examples. Use it when actions have an order or an embedding and a simulator answers "
        "questions; the bounds are loose, so compare shapes and not numbers."
    ),
    here=(
        "an action code whose code is a group and whose decoder draws a member, a planner by value iteration on a "
        "grouped table, and a selector that probes a simulator"
    ),
    tags=("grouping", "discretisation", "model-based", "value-based"),
    kinds=("codec", "planner"),
    related=("arsq", "sequoia", "ra3", "n-pg-igt"),
)

CLAIMS = (
    Reported(
        name="coarser-can-be-better",
        text="With few samples or little computing, finer groups give a worse policy.",
        task="bound on the loss, theory, and small examples",
        published="a best size between one group and one action each; no figure in the abstract",
        source="abstract",
        primary=True,
    ),
    Reported(
        name="chosen-at-a-fixed-cost",
        text="A nearly best grouping is found at a cost that the number of actions does not enter.",
        task="complexity of the selection, theory",
        published="independent of the number of actions",
        source="abstract",
    ),
)

PAPER = Paper(CARD, CLAIMS)

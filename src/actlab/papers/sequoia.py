"""SEQUOIA: Q-learning whose best action is found by a solver (arXiv 2503.01919). Planned."""

from actlab.papers.card import Card, Paper, Reported

CARD = Card(
    slug="sequoia",
    title="Reinforcement learning with combinatorial actions for coupled restless bandits",
    date="2025-03-01",
    authors=4,
    arxiv="2503.01919",
    code="lily-x/combinatorial-rmab (MIT, PyTorch, Gurobi)",
    summary=(
        "Whom to visit today, with five cars, opening hours and roads? The choice is a set, most sets are forbidden, "
        "and today's choice changes tomorrow. SEQUOIA trains a small network that values a state together with a "
        "chosen set, and writes its ReLUs into a mixed-integer program beside the rules, so that the action which "
        "maximises the value is always feasible. It beat greedy, myopic and sampling baselines by about a quarter on "
        "four families of coupled bandits. Take it when constraints are hard and linear and looking ahead pays. Each "
        "decision, in training too, is a solver call of a tenth to several seconds, so networks stay tiny."
    ),
    here=(
        "an agent on the host over linear sets: the argmax of its values is an integer program, on the set at hand "
        "and on that of the next step; four tasks of coupled bandits with exact optima at small size"
    ),
    tags=("linear-constraints", "integer-programming", "value-based", "safety"),
    kinds=("agent", "constraint", "benchmark"),
    related=("camel", "action-grouping", "toolchain-star"),
)

CLAIMS = (
    Reported(
        name="beats-baselines",
        text="Learning with the solver inside earns more than the baselines.",
        task="coupled restless bandits, mean gain over four families",
        published="24.8 % (26.4 % and 28.3 % in earlier versions)",
        source="abstract of the last version",
        primary=True,
    ),
    Reported(
        name="as-large-as",
        text="Instances with many arms can still be solved at each step.",
        task="coupled restless bandits: arms, and how many may be pulled",
        published="up to 100 arms and 20 pulls",
        source="README of the release",
    ),
)

PAPER = Paper(CARD, CLAIMS)

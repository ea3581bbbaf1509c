"""ToolChain*: best-first search over tool calls (arXiv 2310.13227). Planned."""

from actlab.papers.card import Card, Paper, Reported

CARD = Card(
    slug="toolchain-star",
    title="ToolChain*: Efficient Action Space Navigation in Large Language Models with A* Search",
    date="2023-10-19",
    authors=8,
    comments=1,
    organisation="Georgia Tech and Adobe",
    arxiv="2310.13227",
    code="",
    summary=(
        "A language model that may call many functions writes a plan call by call, and one wrong call early spoils "
        "the rest; trying out whole trees costs too many requests. This planner treats partial plans as nodes of an "
        "A* search. What was spent counts how unusual a call is, against earlier solutions and among the model's own "
        "samples; what is still to come is guessed from the length of remembered plans and of one that the model "
        "imagines. Success rose slightly over tree-of-thoughts and Monte Carlo search, in a fraction of the time. "
        "Try it for plans of three to ten calls whose first steps decide; every expansion is one request with several "
        "samples, and the costs promise no optimal plan."
    ),
    here=(
        "a planner on the host that asks a proposer for calls: a noise model, a small trained network or any language "
        "model; its state keeps the plans that worked"
    ),
    tags=("tree-search", "language-and-code", "grammars-and-graphs", "decomposition"),
    kinds=("planner",),
    related=("nl-robot-planner", "neural-search", "onelife"),
)

CLAIMS = (
    Reported(
        name="better-plans",
        text="It solves more planning tasks than the best of the other methods.",
        task="planning tasks with tools, average gain over the strongest baseline",
        published="3.1 % more",
        source="abstract",
        primary=True,
    ),
    Reported(
        name="better-reasoning",
        text="It helps at reasoning, too.",
        task="reasoning tasks, average gain over the strongest baseline",
        published="3.5 % more",
        source="abstract",
    ),
    Reported(
        name="much-faster-than-trees",
        text="It takes a fraction of the time of the best method that searches a tree.",
        task="time on planning and on reasoning tasks",
        published="7.35 times and 2.31 times less",
        source="abstract",
    ),
)

PAPER = Paper(CARD, CLAIMS)

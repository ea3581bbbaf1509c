"""ETP-R1: walk by choosing a place on a growing map (arXiv 2512.20940). Planned."""

from actlab.papers.card import Card, Paper, Reported

CARD = Card(
    slug="etp-r1",
    title=(
        "ETP-R1: Evolving Topological Planning with Reinforcement Fine-tuning for Vision-Language Navigation in "
        "Continuous Environments"
    ),
    date="2025-12-23",
    authors=9,
    arxiv="2512.20940",
    code="Cepillar/ETP-R1 (PyTorch, no licence)",
    summary=(
        "A robot reads a route through a house that it does not know. It draws a graph of places while it walks, and "
        "each decision is one of the places seen so far or to stop, so that turning back is a single action. The "
        "network is trained in three stages: on a large mixture of instructions, by imitation while it walks itself, "
        "and last by group-relative reinforcement on whole walks. The last stage adds about two points of success to "
        "what imitation gave, on two benchmarks. Think of it whenever actions are places and the set of them grows. "
        "It needs a depth camera, a predictor of reachable points and a simulator of houses."
    ),
    here=(
        "an agent whose actions are the nodes of a graph in its memory, masked to what is reachable; three cells in "
        "a row (pretraining, imitation with a teacher, policy gradients in groups)"
    ),
    tags=(
        "grammars-and-graphs",
        "maps",
        "policy-gradient",
        "imitation",
        "hierarchical",
        "decomposition",
        "online-learning",
    ),
    kinds=("agent", "planner"),
    related=("ego2-map", "neural-search", "entropy-mechanism", "nl-robot-planner"),
)

CLAIMS = (
    Reported(
        name="reinforcement-adds-to-imitation",
        text="Group-relative reinforcement after imitation raises success.",
        task="R2R-CE, unseen validation houses; success and success weighted by path length",
        published="65 % and 56 %, after imitation alone 63 % and 54 %",
        source="result table of the release",
        primary=True,
    ),
    Reported(
        name="beats-its-predecessor",
        text="It arrives more often than ETPNav, on which it builds.",
        task="R2R-CE, unseen test houses; success and success weighted by path length",
        published="64 % and 54 %, where ETPNav has 55 % and 48 %",
        source="result table of the release",
    ),
    Reported(
        name="long-instructions",
        text="It helps for long instructions in several languages, too.",
        task="RxR-CE, unseen validation houses; success",
        published="59.92 %, after imitation alone 58.26 %, ETPNav 54.79 %",
        source="result table of the release",
    ),
)

PAPER = Paper(CARD, CLAIMS)

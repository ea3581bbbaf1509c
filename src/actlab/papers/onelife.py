"""OneLife: write the laws of a game from a single life (arXiv 2510.12088). Planned."""

from actlab.papers.card import Card, Paper, Reported

CARD = Card(
    slug="onelife",
    title="One Life to Learn: Inferring Symbolic World Models for Stochastic Environments from Unguided Exploration",
    date="2025-10-13",
    authors=5,
    comments=2,
    arxiv="2510.12088",
    code="codezakh/onelife (PyTorch, no licence)",
    summary=(
        "From one recorded life in a random game, without rewards, can one write down its rules? A language model "
        "proposes many small laws as programs, each with a condition and an effect on a few attributes; weights are "
        "then fitted so that laws which predict what happened count, and wrong ones fade. The result is a simulator "
        "that can be read and planned in. In a Crafter with readable state it ranked true futures better than an "
        "earlier program model in most scenarios. Use it when the state is structured and data are scarce; the "
        "absolute rank is modest, and pixels are out of reach."
    ),
    here=(
        "a world of weighted laws, learned by a convex fit from a single recorded episode, and a policy that compares "
        "plans in it; laws by a language model run in the sandbox"
    ),
    tags=("model-based", "shooting", "language-and-code", "self-supervised", "predictive-models", "interpretability"),
    kinds=("world", "planner"),
    related=("active-inference-shape-pose", "hypercrl", "camel", "toolchain-star"),
)

CLAIMS = (
    Reported(
        name="ranks-futures",
        text="It ranks the true next state higher than the earlier program model in most scenarios.",
        task="Crafter-OO, mean reciprocal rank",
        published="16 of 23 scenarios",
        source="abstract",
        primary=True,
    ),
    Reported(
        name="absolute-rank",
        text="The true next state comes first in about one of five cases.",
        task="Crafter-OO, all scenarios: share of first ranks, mean reciprocal rank",
        published="18.7 % and 0.479",
        source="public reviews that quote the paper",
    ),
    Reported(
        name="picks-the-better-plan",
        text="Simulated in the learned laws, the better of two strategies is recognised.",
        task="three scenarios of Crafter-OO",
        published="3 of 3",
        source="public reviews that quote the paper",
    ),
)

PAPER = Paper(CARD, CLAIMS)

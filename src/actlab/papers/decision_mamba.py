"""Decision Mamba: sequences by state space, with targets that soften (arXiv 2406.05427). Planned."""

from actlab.papers.card import Card, Paper, Reported

CARD = Card(
    slug="decision-mamba",
    title="Decision Mamba: A Multi-Grained State Space Model with Self-Evolution Regularization for Offline RL",
    date="2024-06-08",
    authors=5,
    arxiv="2406.05427",
    code="aopolin-lv/DecisionMamba (MIT, PyTorch)",
    summary=(
        "Policies that are read off logged sequences copy bad actions along with good ones. This one runs a "
        "selective state space model at two grains, over all tokens and over the few that belong to one step, and "
        "blends each recorded action with what an earlier copy of the policy would have done, more so as training "
        "goes on. On nine D4RL sets its mean score was four points above the best of the compared methods. Try it "
        "for logs of mixed quality where a return can be asked for; training costs a second forward pass, and acting "
        "can carry a state instead of a window. Mind that the released code switches the blending off."
    ),
    here=(
        "an agent over windows of recorded episodes, with a target return in its memory and an earlier policy as "
        "teacher in its state; any code whose head can be trained towards a blend"
    ),
    tags=("offline", "imitation", "mixed-quality-data", "in-context"),
    kinds=("agent",),
    related=("mo-dt", "s5-rl", "data-quality", "arsq"),
)

CLAIMS = (
    Reported(
        name="beats-transformers",
        text="Its mean score is above that of the Decision Transformer.",
        task="nine D4RL locomotion sets, version 2, 4 seeds",
        published="83.2 against 75.8",
        source="table 1",
        primary=True,
    ),
    Reported(
        name="beats-the-next-best",
        text="No other compared method comes as near.",
        task="nine D4RL locomotion sets, version 2; the next best is GDT",
        published="83.2 against 79.1",
        source="table 1",
    ),
    Reported(
        name="hopper-medium",
        text="The largest gain is on middling recordings of the hopper.",
        task="D4RL hopper-medium",
        published="98.5, where the Decision Transformer has 70.4",
        source="table 1",
    ),
)

PAPER = Paper(CARD, CLAIMS)

"""MO-DT: predict more than the action, and a coarse action first (arXiv 2308.16379). Planned."""

from actlab.papers.card import Card, Paper, Reported

CARD = Card(
    slug="mo-dt",
    title="Multi-Objective Decision Transformers for Offline Reinforcement Learning",
    date="2023-08-30",
    authors=3,
    arxiv="2308.16379",
    code="",
    summary=(
        "A Decision Transformer learns from logged sequences by predicting actions alone. The authors ask it for "
        "states and returns as well, weighed against each other as several objectives, because one easy objective "
        "leaves attention idle. Since logged actions jump about, they also put a region of the action space, a "
        "smoother and coarser word for the action, into the sequence before the action itself. On D4RL it is said to "
        "equal or exceed the methods of its time. The coarse word before the fine one is worth a try in any sequence "
        "policy; it lengthens sequences by a third, and other authors saw no gain from predicting states."
    ),
    here=(
        "an agent over windows of recorded episodes, whose sequence holds the cell of a code before the action; any "
        "code with cells can give the regions"
    ),
    tags=("discretisation", "grouping", "offline", "imitation"),
    kinds=("agent", "codec"),
    related=("decision-mamba", "arsq", "vq-vla", "data-quality"),
)

CLAIMS = (
    Reported(
        name="equals-or-exceeds",
        text="With more objectives and with regions, sequence models do as well as the best or better.",
        task="D4RL locomotion",
        published="equal or better; no figure in the abstract",
        source="abstract",
        primary=True,
    ),
    Reported(
        name="more-objectives-use-attention",
        text="Trained on actions alone, a sequence model makes little use of attention; more objectives help.",
        task="attention of a Decision Transformer",
        published="argued; no figure in the abstract",
        source="abstract",
    ),
    Reported(
        name="regions-smooth-the-sequence",
        text="A coarse word for each action makes states and returns easier to predict.",
        task="sequences of states, returns and actions",
        published="argued; no figure in the abstract",
        source="abstract",
    ),
)

PAPER = Paper(CARD, CLAIMS)

"""TACO: learn what pictures and actions have in common with the future (arXiv 2306.13229). Planned."""

from actlab.papers.card import Card, Paper, Reported

CARD = Card(
    slug="taco",
    title="TACO: Temporal Latent Action-Driven Contrastive Loss for Visual Reinforcement Learning",
    date="2023-06-22",
    authors=8,
    arxiv="2306.13229",
    code="FrankZheng2022/TACO (MIT, PyTorch)",
    summary=(
        "Control from pixels learns slowly, for values alone tell the encoder little. TACO adds a guessing game: from "
        "the present picture and the next few actions, find the later picture among those of the whole batch. Both "
        "get an embedding on the way, and the critic judges embedded actions while the actor keeps the raw ones. It "
        "was reported to gain two fifths over DrQ-v2 on nine hard tasks of the DeepMind suite. Add it to an "
        "actor-critic from pictures if steps are dear; each update grows by a few small networks and a second step."
    ),
    here=(
        "an auxiliary loss on an actor-critic over windows of replay; its action embedding is trained along with "
        "the critic, and is no code that could be decoded"
    ),
    tags=(
        "latent-actions",
        "representation-learning",
        "value-based",
        "perception",
        "action-head",
        "predictive-models",
    ),
    kinds=("agent",),
    related=("metra", "univla", "ego2-map", "dqc"),
)

CLAIMS = (
    Reported(
        name="beats-drq",
        text="With the loss the same actor-critic earns more in the same number of steps.",
        task="nine tasks of the DeepMind suite from pixels, 1M steps, mean gain over DrQ-v2",
        published="40 % more",
        source="abstract",
        primary=True,
    ),
    Reported(
        name="helps-offline",
        text="Added to offline methods it gives the best scores of its time.",
        task="TD3 + BC and CQL from recorded pictures",
        published="best of the compared methods; no figure in the abstract",
        source="abstract",
    ),
)

PAPER = Paper(CARD, CLAIMS)

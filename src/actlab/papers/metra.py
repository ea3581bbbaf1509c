"""METRA: skills that travel far in a space that measures time (arXiv 2310.08887). Planned."""

from actlab.papers.card import Card, Paper, Reported

CARD = Card(
    slug="metra",
    title="METRA: Scalable Unsupervised RL with Metric-Aware Abstraction",
    date="2023-10-13",
    authors=3,
    arxiv="2310.08887",
    code="seohongpark/METRA (PyTorch, on a fork of garage with its MIT licence)",
    summary=(
        "Without a reward, agents that merely try to be told apart learn to twitch. METRA maps observations into a "
        "small space in which neighbours in time may lie at most one apart, and pays a skill for moving along its own "
        "direction there; so skills have to go far in the world. From states and from pixels it found ways to run "
        "that earlier methods did not, and the directions can be used to reach goals without more training. Use it to "
        "make a small set of large actions before you know your tasks, where a simulator is cheap. It is SAC with one "
        "more network and a multiplier, and wants millions of steps."
    ),
    here=(
        "an agent on SAC whose memory holds a skill for the whole episode, and the skills then as an action code for "
        "a second agent; LSD, CSD, DIAYN and DADS as switches of the same learner"
    ),
    tags=("skills", "self-supervised", "levels", "policy-gradient"),
    kinds=("agent", "codec"),
    related=("dqc", "taco", "skillmimic-v2", "neural-search"),
)

CLAIMS = (
    Reported(
        name="locomotion-from-pixels",
        text="It is the first to find diverse ways of moving for these two bodies from pictures, without a reward.",
        task="pixel Quadruped and pixel Humanoid",
        published="shown as curves; no figure in a table",
        source="abstract",
        primary=True,
    ),
    Reported(
        name="diverse-in-five-places",
        text="Its skills cover more than those of earlier methods, in locomotion and in manipulation.",
        task="state coverage and kitchen tasks, five environments",
        published="shown as curves; no figure in a table",
        source="abstract",
    ),
)

PAPER = Paper(CARD, CLAIMS)

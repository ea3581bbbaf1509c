"""HyperCRL: one network that writes the dynamics of each task (arXiv 2009.11997). Planned."""

from actlab.papers.card import Card, Paper, Reported

CARD = Card(
    slug="hypercrl",
    title="Continual Model-Based Reinforcement Learning with Hypernetworks",
    date="2020-09-24",
    authors=4,
    arxiv="2009.11997",
    code="rvl-lab-utoronto/HyperCRL (PyTorch, no licence at its top; one part is Apache-2.0)",
    summary=(
        "A robot gets one job after another, and its model of the world should neither forget the first nor be "
        "trained again on everything. Here a hypernetwork produces the weights of a dynamics model from a short code "
        "of the task; while it learns a new task, what it produces for the old codes is held in place, so that old "
        "data can be deleted. Actions come from sampling sequences in the model. On doors and sliding blocks it kept "
        "earlier tasks where fine-tuning and weight penalties lost them. It fits a sequence of known tasks whose "
        "reward is known; planning at every step is slow, and task borders must be given."
    ),
    here=(
        "a world that is learned in one cell for each task, and a planner by the cross-entropy method in it; "
        "evaluation on all tasks so far is its own cell"
    ),
    tags=("shooting", "model-based", "continual-learning"),
    kinds=("world", "planner", "agent"),
    related=("active-inference-shape-pose", "onelife", "skillmimic-v2"),
)

CLAIMS = (
    Reported(
        name="does-not-forget",
        text="After five tasks its mean reward is above that of the continual baselines.",
        task="doors, mean over the tasks so far, against fine-tuning",
        published="about 1.1 against about 0.2 (read off curves)",
        source="figure of the door task",
        primary=True,
    ),
    Reported(
        name="near-the-oracle",
        text="It comes near a model that is trained on all data again.",
        task="block sliding, mean over five tasks",
        published="about 28, where the oracle has about 34 (read off curves)",
        source="figure of the block task",
    ),
)

PAPER = Paper(CARD, CLAIMS)

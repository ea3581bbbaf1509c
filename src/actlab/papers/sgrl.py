"""SGRL: one policy for many bodies, the same in every direction (arXiv 2305.18951). Planned."""

from actlab.papers.card import Card, Paper, Reported

CARD = Card(
    slug="sgrl",
    title="Subequivariant Graph Reinforcement Learning in 3D Environments",
    date="2023-05-30",
    authors=4,
    arxiv="2305.18951",
    code="alpc91/SGRL (MIT, PyTorch, mujoco-py)",
    summary=(
        "Legged bodies that start facing anywhere have to learn each gait again for each heading, unless the network "
        "knows that turning the world about the vertical changes nothing. Here body parts are nodes of a graph, "
        "attention and outputs turn along with the world by construction, and gravity and the way to the target stay "
        "special. One policy drives bodies with different numbers of limbs, and does far better on unseen ones than "
        "graph networks without the symmetry. Take it for torques of jointed bodies in three dimensions. Note that "
        "rotating inputs to the heading, a cheap trick, matched it on a single humanoid."
    ),
    here=(
        "TD3 with a symmetric network whose action is three torques for every limb, over a task that draws a body "
        "for each episode; padded limbs are masked"
    ),
    tags=("symmetry", "value-based", "representation-learning"),
    kinds=("agent", "benchmark"),
    related=("skillmimic-v2", "metra", "n-pg-igt"),
)

CLAIMS = (
    Reported(
        name="unseen-bodies",
        text="Trained on some cheetahs, it runs with another one that it has never had.",
        task="zero-shot return of cheetah_11, trained on bodies of its kind",
        published="4643.9 ± 292.6, where SWAT has 1785.3 ± 999.3",
        source="poster",
        primary=True,
    ),
    Reported(
        name="across-families",
        text="Trained on all families together, it still walks with unseen bodies.",
        task="zero-shot return of walker_3, trained across families",
        published="206.8 ± 37.4, where SWAT has 17.9 ± 13.7",
        source="poster",
    ),
    Reported(
        name="humanoids",
        text="For humanoids the gain is smaller.",
        task="zero-shot return of humanoid_7, trained across families",
        published="161.9 ± 3.4, where SWAT has 152.0 ± 6.8",
        source="poster",
    ),
)

PAPER = Paper(CARD, CLAIMS)

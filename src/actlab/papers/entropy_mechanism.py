"""The entropy mechanism: why language policies stop exploring, and two small remedies (arXiv 2505.22617). Planned."""

from actlab.papers.card import Card, Paper, Reported

CARD = Card(
    slug="entropy-mechanism",
    title="The Entropy Mechanism of Reinforcement Learning for Reasoning Language Models",
    date="2025-05-28",
    authors=17,
    comments=4,
    arxiv="2505.22617",
    code="PRIME-RL/Entropy-Mechanism-of-RL (PyTorch, a fork of verl; both remedies are also in verl, Apache-2.0)",
    summary=(
        "When a language model is trained by reinforcement, its entropy often vanishes early and the score stays "
        "where it is. The authors fit a simple curve that tells the score from the entropy, and trace the loss of "
        "entropy to tokens which are both likely and praised. Two remedies touch only the few tokens with the largest "
        "such product: drop their gradient, or hold them near the old policy. Mathematics benchmarks gained two to "
        "six points over the ordinary method, more for the larger model. It costs a few lines in the loss, and makes "
        "a diagnostic for any softmax policy; the two thresholds want tuning."
    ),
    here=(
        "two losses of a policy-gradient agent over token codes, with roll-outs in groups and prompts that are "
        "neither all right nor all wrong; the curve is fitted by a cell over finished runs"
    ),
    tags=("policy-gradient", "language-model-tuning", "language-and-code"),
    kinds=("agent", "metric"),
    related=("ra3", "n-pg-igt", "etp-r1"),
)

CLAIMS = (
    Reported(
        name="large-model-gains",
        text="Holding the few tokens back raises the mean accuracy of the larger model.",
        task="32 billion weights, mean of seven mathematics benchmarks, against GRPO",
        published="52.2 % against 45.8 %",
        source="result table of the release",
        primary=True,
    ),
    Reported(
        name="small-model-gains",
        text="The smaller model gains less.",
        task="7 billion weights, mean of seven mathematics benchmarks, against GRPO",
        published="40.6 % against 38.6 %",
        source="result table of the release",
    ),
    Reported(
        name="entropy-goes-first",
        text="Most of the entropy and most of the gain are spent in the first twelfth of training.",
        task="first 200 of 2400 updates",
        published="73 % of the entropy, 76 % of the gain",
        source="later writers who quote the paper",
    ),
)

PAPER = Paper(CARD, CLAIMS)

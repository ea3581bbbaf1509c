"""UniVLA: actions learned from videos that nobody labelled (arXiv 2505.06111). Planned."""

from actlab.papers.card import Card, Paper, Reported

CARD = Card(
    slug="univla",
    title="UniVLA: Learning to Act Anywhere with Task-centric Latent Actions",
    date="2025-05-09",
    authors=8,
    comments=2,
    arxiv="2505.06111",
    code="OpenDriveLab/UniVLA (Apache-2.0, PyTorch)",
    summary=(
        "Recorded robot actions are few and every robot has its own; videos are many. UniVLA compresses what "
        "changes between two frames a second apart into four symbols of a tiny alphabet, in two passes, so that what "
        "the instruction explains is kept apart from shaking cameras and passers-by. A vision-language model then "
        "predicts these symbols, and a small decoder turns them into the motions of one robot. It surpassed OpenVLA "
        "on LIBERO, also with a tenth of the data, and pretraining on human video alone went a long way. Use it to "
        "start from video; the full size has seven billion weights, the decoder about ten million."
    ),
    here=(
        "a code of four symbols that is inferred from pairs of frames, learned in two cells; a policy over it by "
        "imitation, and a decoder for each robot"
    ),
    tags=(
        "latent-actions",
        "learned-tokens",
        "chunks",
        "imitation",
        "self-supervised",
        "action-head",
        "end-to-end",
        "mixed-data",
    ),
    kinds=("codec", "agent"),
    related=("vipra", "vita", "vq-vla", "taco"),
)

CLAIMS = (
    Reported(
        name="beats-openvla",
        text="Latent actions as an intermediate language raise success over direct bins.",
        task="LIBERO, mean of four suites",
        published="95.2 %, where OpenVLA has 76.5 %",
        source="table I",
        primary=True,
    ),
    Reported(
        name="task-centric-codes-matter",
        text="Codes that leave out what has nothing to do with the task are better.",
        task="LIBERO, mean of four suites, pretrained on human video: task-centric, undivided, the left-over ones",
        published="88.7 %, 82.3 % and 56.5 %",
        source="table III",
    ),
    Reported(
        name="a-tenth-of-the-data",
        text="With a tenth of the demonstrations it is far above OpenVLA.",
        task="LIBERO-Goal, a tenth of the data",
        published="86.3 % against 61.4 %",
        source="README of the release",
    ),
    Reported(
        name="the-decoder-matters",
        text="Decoding codes with visual queries is better than reading actions off one by one.",
        task="LIBERO, mean of four suites",
        published="95.2 % against 73.6 %",
        source="table IV",
    ),
)

PAPER = Paper(CARD, CLAIMS)

"""VITA: one codebook for what will be seen and what is done (arXiv 2511.19859). Planned."""

from actlab.papers.card import Card, Paper, Reported

CARD = Card(
    slug="vita",
    title=(
        "Unifying Perception and Action: A Hybrid-Modality Pipeline with Implicit Visual Chain-of-Thought for "
        "Robotic Action Generation"
    ),
    date="2025-11-24",
    authors=5,
    arxiv="2511.19859",
    code="",
    summary=(
        "A robot policy that draws the future before it moves is slow; one that reasons in words forgets where "
        "things are. VITA teaches a vector quantiser both video and action chunks, so that one short sequence of "
        "codes, written by a language model, can be read as coming frames and as motion. Frames are read in training "
        "only, where they keep the codes honest. Reported success is high on CALVIN, LIBERO and a real arm, and "
        "ablations credit the shared codes and human video. Consider it when unlabelled video is plentiful and "
        "actions must come fast; training has three stages and a backbone of billions of weights."
    ),
    here=(
        "a code learned from video and actions together, and an agent by behaviour cloning over it: cells for warm-up, "
        "joint training and the action decoder"
    ),
    tags=(
        "learned-tokens",
        "latent-actions",
        "chunks",
        "imitation",
        "action-head",
        "end-to-end",
        "predictive-models",
        "decomposition",
        "real-time",
    ),
    kinds=("codec", "agent"),
    related=("univla", "vipra", "vq-vla", "4d-vla"),
)

CLAIMS = (
    Reported(
        name="inner-pictures-beat-drawn-ones",
        text="Thinking in shared codes beats drawing the frames, and thinking in words.",
        task="LIBERO, mean of four suites: shared codes, drawn frames, words alone",
        published="94.1 %, 68.9 % and 56.2 %",
        source="table 6, by way of reading notes",
        primary=True,
    ),
    Reported(
        name="libero",
        text="The full model is above its nearest rival.",
        task="LIBERO, mean of four suites",
        published="96.7 %, where the rival has 95.5 %",
        source="table 2, by way of reading notes",
    ),
    Reported(
        name="real-arm",
        text="It succeeds more often than pi0 on a real arm.",
        task="six tasks of a UR-5e",
        published="80.5 % against 53.5 %",
        source="table 5, by way of reading notes",
    ),
)

PAPER = Paper(CARD, CLAIMS)

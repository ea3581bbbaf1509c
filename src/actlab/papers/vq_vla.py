"""VQ-VLA: a learned alphabet for chunks of robot actions (arXiv 2507.01016). Planned."""

from actlab.papers.card import Card, Paper, Reported

CARD = Card(
    slug="vq-vla",
    title="VQ-VLA: Improving Vision-Language-Action Models via Scaling Vector-Quantized Action Tokenizers",
    date="2025-07-01",
    authors=6,
    arxiv="2507.01016",
    code="xiaoxiao0406/VQ-VLA (MIT, PyTorch, a fork of OpenVLA)",
    summary=(
        "A language model that steers a robot usually writes one token per joint and step, which is slow and ignores "
        "that joints and moments belong together. This codec learns from actions alone, simulated ones included, to "
        "turn five steps of seven numbers into four tokens and back; then it is frozen, and the model learns to "
        "write these tokens. OpenVLA became more successful and almost three times as fast. The codec is worth "
        "trying wherever a token policy plays smooth motion. It has to be trained first, on actions like yours: "
        "trained on one simulator only, it failed elsewhere, and each chunk is played blindly."
    ),
    here=(
        "an action code whose fit is a training run in a cell of its own, frozen afterwards; any agent for digits can "
        "stand on it, beside bins and other chunk codes"
    ),
    tags=("learned-tokens", "chunks", "imitation", "action-head", "end-to-end", "real-time"),
    kinds=("codec",),
    related=("univla", "vita", "arsq", "dqc", "vla-anatomy"),
)

CLAIMS = (
    Reported(
        name="tokens-beat-bins",
        text="Learned tokens raise success over bins of single steps.",
        task="LIBERO-90",
        published="86.61 % against 74.76 %",
        source="table 5",
        primary=True,
    ),
    Reported(
        name="chunks-of-bins-fail",
        text="Writing the bins of five steps one after another is worse than single steps.",
        task="LIBERO-90",
        published="66.53 % against 74.76 %",
        source="table 5",
    ),
    Reported(
        name="faster",
        text="More actions are decided in a second.",
        task="frequency of actions, OpenVLA",
        published="11.84 Hz against 4.16 Hz",
        source="table 4",
    ),
    Reported(
        name="data-of-the-codec-matter",
        text="Trained on a single simulator, the codec is useless elsewhere; with real actions added it is good.",
        task="LIBERO-90: with real actions, without",
        published="80.98 % and 14.38 %",
        source="table 2",
    ),
)

PAPER = Paper(CARD, CLAIMS)

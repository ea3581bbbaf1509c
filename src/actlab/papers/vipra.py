"""ViPRA: predict the video and the motion in it, then attach a robot (arXiv 2511.07732). Planned."""

from actlab.papers.card import Card, Paper, Reported

CARD = Card(
    slug="vipra",
    title="ViPRA: Video Prediction for Robot Actions",
    date="2025-11-10",
    authors=5,
    arxiv="2511.07732",
    code="sroutray/vipra (Apache-2.0, PyTorch and JAX)",
    summary=(
        "Video without actions is cheap, and a model that foresees frames already knows how things move. ViPRA first "
        "learns motion symbols for each frame of unlabelled clips, with optical flow as a guide; then it trains a "
        "video-language model on a later frame together with the symbols that lead to it; last, a flow-matching head "
        "makes smooth chunks of real actions from one or two hundred demonstrations. On SIMPLER it was well above "
        "earlier models with latent actions, and leaving the future frame out cost ten points. Good where robot data "
        "are few and smooth motion counts; the backbone is large, and training has three stages."
    ),
    here=(
        "a code of symbols for each frame that is inferred from clips, an agent by imitation over it, and a flow head "
        "that decides fourteen actions and plays seven; three cells in a row"
    ),
    tags=(
        "latent-actions",
        "flow-and-diffusion",
        "chunks",
        "imitation",
        "self-supervised",
        "action-head",
        "end-to-end",
        "predictive-models",
        "mixed-data",
        "real-time",
    ),
    kinds=("codec", "agent"),
    related=("univla", "vita", "dqc", "vq-vla"),
)

CLAIMS = (
    Reported(
        name="smooth-chunks",
        text="With the flow head it succeeds more often than UniVLA and pi0.",
        task="SIMPLER, mean of four Bridge tasks, 100 demonstrations",
        published="62.5 %, where UniVLA has 42.7 % and pi0 27.1 %",
        source="result table, by way of reading notes",
        primary=True,
    ),
    Reported(
        name="symbols",
        text="With motion symbols alone it is above LAPA and OpenVLA.",
        task="SIMPLER, mean of four Bridge tasks, 100 demonstrations",
        published="69.8 %, where LAPA has 53.1 % and OpenVLA 38.6 %",
        source="result table, by way of reading notes",
    ),
    Reported(
        name="foresight-helps",
        text="Without the future frame in pretraining it does worse.",
        task="SIMPLER, motion symbols, mean of four Bridge tasks",
        published="69.8 % with, 59.4 % without",
        source="ablation table, by way of reading notes",
    ),
    Reported(
        name="real-robot",
        text="It is ahead of pi0 on a real robot, too.",
        task="three tasks",
        published="54.1 % against 40.1 %",
        source="result table, by way of reading notes",
    ),
)

PAPER = Paper(CARD, CLAIMS)

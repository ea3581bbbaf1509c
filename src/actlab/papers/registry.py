"""The papers that are built in, by slug. A paper's file is imported when it is looked up."""

from actlab.core.errors import ActlabError
from actlab.core.registry import Registry, find
from actlab.papers.card import Paper

PAPERS = Registry(
    "paper",
    {
        "4d-vla": ("actlab.papers.4d_vla:PAPER", "positions in metres and chosen past frames for robot policies"),
        "action-grouping": ("actlab.papers.action_grouping:PAPER", "how coarse a huge action set should be"),
        "active-inference-shape-pose": (
            "actlab.papers.active_inference_shape_pose:PAPER",
            "camera moves that make a view familiar, with shape and pose apart",
        ),
        "arnold": ("actlab.papers.arnold:PAPER", "a benchmark of goals in words that are points on a scale"),
        "arsq": ("actlab.papers.arsq:PAPER", "soft Q-learning digit after digit, from suboptimal data"),
        "camel": ("actlab.papers.camel:PAPER", "bounds on actions, written by a language model and faded out"),
        "data-quality": ("actlab.papers.data_quality:PAPER", "which demonstrations are worth training on"),
        "decision-mamba": ("actlab.papers.decision_mamba:PAPER", "sequence policies with targets that soften"),
        "dqc": ("actlab.papers.dqc:PAPER", "a critic of long chunks for a policy of short ones"),
        "ego2-map": ("actlab.papers.ego2_map:PAPER", "camera features that know the floor plan"),
        "entropy-mechanism": (
            "actlab.papers.entropy_mechanism:PAPER",
            "why language policies stop exploring, and two small remedies",
        ),
        "etp-r1": ("actlab.papers.etp_r1:PAPER", "walking by choosing a place on a growing map"),
        "grounding-plans": ("actlab.papers.grounding_plans:PAPER", "stages of a task from disturbed demonstrations"),
        "gui-360": ("actlab.papers.gui_360:PAPER", "office programs as a task, with clicks and calls as actions"),
        "hypercrl": ("actlab.papers.hypercrl:PAPER", "one network that writes the dynamics of each task"),
        "metra": ("actlab.papers.metra:PAPER", "skills that travel far in a space that measures time"),
        "mo-dt": ("actlab.papers.mo_dt:PAPER", "sequence policies that predict a coarse action first"),
        "n-pg-igt": ("actlab.papers.n_pg_igt:PAPER", "policy gradients with memory, one or two episodes a step"),
        "neural-search": ("actlab.papers.neural_search:PAPER", "solving a new world while living in it"),
        "nl-robot-planner": (
            "actlab.papers.nl_robot_planner:PAPER",
            "plans in language, with a map of the room and advice after failures",
        ),
        "onelife": ("actlab.papers.onelife:PAPER", "laws of a game as programs, from a single life"),
        "openha": ("actlab.papers.openha:PAPER", "an abstract action first, then the keys that carry it out"),
        "ra3": ("actlab.papers.ra3:PAPER", "thoughts before lines of code, where they pay"),
        "rl-experimenters": ("actlab.papers.rl_experimenters:PAPER", "language models that run the experiments"),
        "s5-rl": ("actlab.papers.s5_rl:PAPER", "long memory that can be reset inside a roll-out"),
        "sequoia": ("actlab.papers.sequoia:PAPER", "Q-learning whose best action is found by a solver"),
        "sgrl": ("actlab.papers.sgrl:PAPER", "one policy for many bodies, the same in every direction"),
        "skillmimic-v2": ("actlab.papers.skillmimic_v2:PAPER", "the connections that demonstrations lack"),
        "taco": ("actlab.papers.taco:PAPER", "what pictures and actions have in common with the future"),
        "toolchain-star": ("actlab.papers.toolchain_star:PAPER", "best-first search over tool calls"),
        "univla": ("actlab.papers.univla:PAPER", "actions learned from videos that nobody labelled"),
        "vipra": ("actlab.papers.vipra:PAPER", "predict the video and the motion in it, then attach a robot"),
        "vita": ("actlab.papers.vita:PAPER", "one codebook for what will be seen and what is done"),
        "vla-anatomy": ("actlab.papers.vla_anatomy:PAPER", "a survey: parts, milestones and challenges"),
        "vq-vla": ("actlab.papers.vq_vla:PAPER", "a learned alphabet for chunks of robot actions"),
    },
)


def find_paper(name: str) -> Paper:
    """The paper of that slug, or the one that `module:name` says.

    The module may lie in the current folder, which stays importable: worker processes need the cells in it, too.

    Raises:
        UnknownName: no paper has that slug; the message suggests the nearest.
        ActlabError: there is no such module, or what it names is no paper.
    """
    if ":" not in name:
        return PAPERS[name].load()
    found = find(name)
    if not isinstance(found, Paper):
        raise ActlabError(f"{name} should be a Paper; received {type(found).__name__}.")
    return found

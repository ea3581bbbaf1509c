"""The works of the speed page: one file a work, with a function for each rival; needs nothing but Python to import.

Each measurement runs in a process of its own, under the interpreter that has its rival, and returns what
`common.Measurement` says. `WORKS` holds what is measured, with which settings, and what is to be reached.
"""

from dataclasses import dataclass, field
from typing import Any

OURS, PEERS, D3RLPY = "ours", "peers", "d3rlpy"
"""Interpreters: that with actlab, that with `benchmarks/peers.txt`, that with `benchmarks/peers-d3rlpy.txt`."""


@dataclass(frozen=True)
class Rival:
    """Somebody who does a work."""

    name: str
    """As the page shows it."""
    function: str
    """`module:function` in this package."""
    python: str = PEERS
    threads: int | None = None
    """Of torch (or BLAS); None: as many as there are cores, which XLA always takes."""
    cache: bool = False
    """Does it find its compiled programs on the disk? One run more, before the others, is shown apart."""


@dataclass(frozen=True)
class Target:
    """What a work's first rival, which is actlab, has to be worth."""

    against: tuple[str, ...]
    """Names of rivals: the best of them counts. None: the value itself is the figure."""
    must: float | None
    """At least this ratio (above 1: so many times faster)."""
    reach: float | None
    label: str = ""
    """Of those rivals together."""


@dataclass(frozen=True)
class Work:
    """One row of the table."""

    title: str
    what: str
    """What one measurement does, in one or two sentences."""
    unit: str
    rivals: tuple[Rival, ...]
    targets: tuple[Target, ...]
    settings: dict[str, Any]
    quick: dict[str, Any]
    """Settings in place of these with `--quick`."""
    less_is_better: bool = False
    repeats: int = 3
    limit: float = 90.0
    """Seconds after which a measurement is given up."""
    profile: str | None = None
    """`module:function` that says where actlab's time goes."""
    notes: tuple[str, ...] = field(default=())
    """What a reader has to know about the comparison."""


def _threads(name: str, function: str, python: str = PEERS) -> tuple[Rival, Rival]:
    """The same rival with one thread and with one for each core."""
    return (
        Rival(f"{name}, 1 thread", function, python, threads=1),
        Rival(f"{name}, a thread a core", function, python, threads=None),
    )


def _both(name: str) -> tuple[str, str]:
    return f"{name}, 1 thread", f"{name}, a thread a core"


SB3, CLEANRL, TORCH, D3 = "Stable-Baselines3", "CleanRL-style script", "torch by hand", "d3rlpy"
ACTLAB = "actlab"
TAKEN_TURNS = "A step of the environment and an update take turns in all of them."
STYLE = "The CleanRL-style script is ours, after the published description of CleanRL's PPO, in one file of torch."

WORKS: dict[str, Work] = {
    "sac-1": Work(
        "SAC on HalfCheetah-v5, one environment, an update after every step",
        "2 x 256 units, batches of 256, replay; steps of the environment a second, with their updates.",
        "steps/s",
        (Rival(ACTLAB, "sac:actlab", OURS), *_threads(SB3, "sac:stable_baselines3"), Rival("sbx", "sac:sbx")),
        (Target(_both(SB3), 3.0, 4.0, SB3), Target(("sbx",), 1.3, 2.0)),
        {"environments": 1, "warmup": 300, "first": 50, "steps": 900},
        {"warmup": 60, "first": 10, "steps": 60},
        profile="sac:profile",
        notes=(TAKEN_TURNS,),
    ),
    "sac-32": Work(
        "SAC on HalfCheetah-v5, 32 steps and then 32 updates",
        "The same with 32 environments that take a step each before 32 updates.",
        "steps/s",
        (Rival(ACTLAB, "sac:actlab", OURS), *_threads(SB3, "sac:stable_baselines3"), Rival("sbx", "sac:sbx")),
        (Target(_both(SB3), 3.5, 5.0, SB3), Target(("sbx",), 1.5, 2.0)),
        {"environments": 32, "warmup": 320, "first": 64, "steps": 960},
        {"warmup": 64, "first": 32, "steps": 64},
        profile="sac:profile",
        notes=("All three hold their policy for 32 steps: the same data from the same number of updates.",),
    ),
    "sac-learner": Work(
        "SAC's learner alone, as a share of what the machine's products allow",
        "Floating-point operations of its matrix products a second, over those of 256 x 256 x 256 float32 products on "
        "the same cores, by the faster of XLA and NumPy; both in turns in one process.",
        "of the product rate",
        (Rival(ACTLAB, "learner:actlab", OURS),),
        (Target((), 0.7, 0.9),),
        {"rounds": 5, "updates": 160, "products": 4_000},
        {"rounds": 2, "updates": 32, "products": 400},
        profile="learner:profile",
    ),
    "ppo-graph": Work(
        "PPO on CartPole-v1",
        "8 environments, roll-outs of 32 decisions, 20 epochs of one batch of 256, 2 x 64 tanh units; steps a second.",
        "steps/s",
        (
            Rival(ACTLAB, "ppo_graph:actlab", OURS),
            *_threads(SB3, "ppo_graph:stable_baselines3"),
            Rival("sbx", "ppo_graph:sbx"),
            *_threads(CLEANRL, "ppo_graph:cleanrl_style"),
            Rival("rejax", "ppo_graph:rejax"),
        ),
        (
            Target((*_both(SB3), "sbx", *_both(CLEANRL)), 7.0, 12.0, "the best on the host"),
            Target(("rejax",), 1.0, 1.5, "rejax, in the graph"),
        ),
        {"steps": 20_480},
        {"steps": 2_560},
        profile="ppo_graph:profile",
        notes=(STYLE, "actlab and rejax have the environment inside of the compiled program, the others on the host."),
    ),
    "ppo-solve": Work(
        "PPO on CartPole-v1 to a mean return of 475",
        "Seconds from the start of the process, imports included, until the training episodes that ended in the last "
        "roll-outs, at least 20 of them, have a mean return of 475. Repeat i has seed i for everybody.",
        "seconds",
        (
            Rival(ACTLAB, "ppo_graph:actlab_solves", OURS, cache=True),
            *_threads(SB3, "ppo_graph:stable_baselines3_solves"),
            Rival("sbx", "ppo_graph:sbx_solves"),
            Rival("sbx, with a cache", "ppo_graph:sbx_solves", cache=True),
        ),
        (Target(_both(SB3), 1.0, 3.0, SB3),),
        {"steps": 200_000},
        {"steps": 5_120},
        less_is_better=True,
        repeats=5,
        profile="ppo_graph:profile",
        notes=("Settings of the row above. What never gets there within 200,000 steps counts with the time it took.",),
    ),
    "ppo-pool": Work(
        "PPO on HalfCheetah-v5 through EnvPool's 64 environments",
        "Roll-outs of 2,048 decisions, 10 epochs of batches of 64, 2 x 64 tanh units; steps a second.",
        "steps/s",
        (
            Rival(ACTLAB, "ppo_pool:actlab", OURS),
            *_threads(f"{SB3}, 8 environments", "ppo_pool:stable_baselines3"),
            *_threads(f"{CLEANRL}, EnvPool", "ppo_pool:cleanrl_style"),
        ),
        (
            Target(_both(f"{SB3}, 8 environments"), 3.0, 6.0, f"{SB3}, 8 environments"),
            Target(_both(f"{CLEANRL}, EnvPool"), 1.2, 2.0, f"{CLEANRL}, EnvPool"),
        ),
        {"rollouts": 4},
        {"rollouts": 1},
        profile="ppo_pool:profile",
        notes=(STYLE,),
    ),
    "td3-bc": Work(
        "TD3 + BC, an update",
        "2 x 256 units, batches of 256 from 100,000 recorded decisions of HalfCheetah's shapes, sampling included, the "
        "actor every second update; updates a second.",
        "updates/s",
        (
            Rival(ACTLAB, "offline:td3_bc_actlab", OURS),
            *_threads(TORCH, "offline:td3_bc_torch"),
            *_threads(D3, "offline:td3_bc_d3rlpy", D3RLPY),
        ),
        (Target(_both(TORCH), 2.5, 4.0, TORCH), Target(_both(D3), 7.0, 10.0, D3)),
        {"first": 40, "updates": 600},
        {"first": 10, "updates": 30},
        profile="offline:profile_td3_bc",
        notes=("torch by hand has its data in tensors, fused Adam, and no library around it.",),
    ),
    "bc": Work(
        "Behaviour cloning, an update",
        "2 x 256 units, squared error, batches of 256 from the same data, sampling included; updates a second.",
        "updates/s",
        (Rival(ACTLAB, "offline:bc_actlab", OURS), *_threads(TORCH, "offline:bc_torch")),
        (Target(_both(TORCH), 3.0, 4.0, TORCH),),
        {"first": 40, "updates": 2_000},
        {"first": 10, "updates": 60},
        profile="offline:profile_bc",
    ),
    "transformer": Work(
        "A small transformer, a training step",
        "4 layers, width 128, 4 heads, 60 tokens, batches of 64, causal, Adam; steps a second.",
        "steps/s",
        (Rival(ACTLAB, "transformer:actlab", OURS), *_threads(TORCH, "transformer:torch")),
        (Target(_both(TORCH), 1.0, 1.5, TORCH),),
        {"first": 2, "steps": 24},
        {"first": 1, "steps": 4},
        profile="transformer:profile",
        notes=(
            "torch has scaled_dot_product_attention and fused Adam, in float32 as everybody here.",
            "actlab makes 4 steps, with a batch each, in one compiled call.",
        ),
    ),
    "start": Work(
        "From the start of the process to the first update",
        "SAC on HalfCheetah-v5 with 10 decisions of warm-up: seconds until the environment is asked for the step that "
        "follows the first update; `actlab train` by its command line.",
        "seconds",
        (
            Rival(ACTLAB, "start:actlab", OURS, cache=True),
            Rival(SB3, "start:stable_baselines3", threads=1),
            Rival("sbx", "start:sbx"),
            Rival("sbx, with a cache", "start:sbx", cache=True),
        ),
        (Target(("sbx", "sbx, with a cache"), 1.0, None, "sbx"), Target((SB3,), None, 1.0)),
        {"warmup": 10},
        {},
        less_is_better=True,
        profile="start:profile",
        notes=("The caches are JAX's own, on the disk; sbx does not set one up, so it is shown with and without.",),
    ),
}

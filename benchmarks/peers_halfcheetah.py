"""Train Stable-Baselines3 on HalfCheetah-v5: the yardstick that our SAC and PPO are held against.

One cell is one algorithm and one seed; a cell that has its result file is skipped, so an interrupted
run continues where it stopped. Every setting that is not named below is the peer's own default.

    python benchmarks/peers_halfcheetah.py sac ppo --seeds 5
"""

import argparse
import json
import os
import platform
import time
from importlib.metadata import version
from pathlib import Path

BUDGET = {"sac": 100_000, "ppo": 300_000}
SETTINGS = {"sac": {"learning_starts": 1_000}, "ppo": {}}
EPISODES = 20  # of the final policy, never of a best one


def score(model, environment_id: str, deterministic: bool) -> list[float]:
    """Return of each of `EPISODES` episodes; episode i is reset with seed 10_000 + i."""
    import gymnasium

    environment = gymnasium.make(environment_id)
    returns = []
    for episode in range(EPISODES):
        observation, _ = environment.reset(seed=10_000 + episode)
        total, done = 0.0, False
        while not done:
            action, _ = model.predict(observation, deterministic=deterministic)
            observation, reward, terminated, truncated, _ = environment.step(action)
            total += float(reward)
            done = terminated or truncated
        returns.append(total)
    return returns


def cell(algorithm: str, seed: int, environment_id: str, steps: int, out: Path, threads: int) -> None:
    import gymnasium
    import stable_baselines3
    import torch

    path = out / f"sb3-{algorithm}-{environment_id}-{steps}-seed{seed}.json"
    if path.exists():
        return
    torch.set_num_threads(threads)
    agent = {"sac": stable_baselines3.SAC, "ppo": stable_baselines3.PPO}[algorithm]
    model = agent("MlpPolicy", gymnasium.make(environment_id), seed=seed, device="cpu", **SETTINGS[algorithm])
    began = time.perf_counter()
    model.learn(steps)
    seconds = time.perf_counter() - began
    result = {
        "peer": "stable-baselines3",
        "algorithm": algorithm,
        "task": environment_id,
        "steps": steps,
        "seed": seed,
        "settings": SETTINGS[algorithm],
        "deterministic": score(model, environment_id, True),
        "stochastic": score(model, environment_id, False),
        "seconds": seconds,
        "threads": threads,
        "machine": {"system": platform.platform(), "cores": os.cpu_count()},
        "versions": {name: version(name) for name in ("stable-baselines3", "torch", "gymnasium", "mujoco", "numpy")},
    }
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(result, indent=1) + "\n")
    temporary.replace(path)
    print(path.name, sum(result["deterministic"]) / EPISODES, f"{steps / seconds:.0f} steps/s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("algorithms", nargs="+", choices=sorted(BUDGET))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=0, help="first seed, to share the seeds among processes")
    parser.add_argument("--task", default="HalfCheetah-v5")
    parser.add_argument("--steps", type=int, help="instead of the budget fixed above (for a trial only)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("results/peers"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for seed in range(options.first, options.seeds):
        for algorithm in options.algorithms:
            cell(algorithm, seed, options.task, options.steps or BUDGET[algorithm], options.out, options.threads)


if __name__ == "__main__":
    main()

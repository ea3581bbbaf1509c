"""Steps per second beside Stable-Baselines3 and sbx, interleaved, each in a fresh process.

    python benchmarks/speed.py --peers PEERS/bin/python --rounds 3 --out results/peers/speed.json

The same defaults everywhere: SAC on HalfCheetah-v5 (2 x 256 units, batch 256, one update a step), PPO on
CartPole-v1 (one environment, roll-outs of 2,048, batch 64, 10 epochs, 2 x 64 units). A measurement first
takes enough steps to have compiled everything, and these are not counted; `seconds_to_first` are the
seconds from the start of training until then. Rivals take turns, so that a neighbour of the machine
disturbs all of them alike; the median and the best round are reported.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

WARM = {"sac": 1_500, "ppo": 4_096}
TIMED = {"sac": 2_000, "ppo": 40_960}
TASK = {"sac": "HalfCheetah-v5", "ppo": "CartPole-v1"}
RIVALS = ("actlab", "stable-baselines3", "sbx")


def actlab(algorithm: str) -> dict[str, float]:
    import jax

    from actlab.agents.ppo import PPO
    from actlab.agents.sac import SAC
    from actlab.tasks.catalogue import task
    from actlab.training.loop import make_driver

    agent = {"sac": SAC(), "ppo": PPO()}[algorithm]
    driver = make_driver(task(TASK[algorithm]), agent)
    began = time.perf_counter()
    carry = driver.start(agent, jax.random.key(0), {}, None, WARM[algorithm] + TIMED[algorithm])
    per_tick = driver.native_steps_of_tick()
    warmup = 1_000 if algorithm == "sac" else 0
    if warmup:
        carry, *_ = driver.run(agent, carry, warmup // per_tick, True)
    carry, *_ = driver.run(agent, carry, (WARM[algorithm] - warmup) // per_tick, False)
    jax.block_until_ready(carry.learner)
    first = time.perf_counter()
    carry, *_ = driver.run(agent, carry, TIMED[algorithm] // per_tick, False)
    jax.block_until_ready(carry.learner)
    return {"seconds_to_first": first - began, "steps_per_second": TIMED[algorithm] / (time.perf_counter() - first)}


def peer(library: str, algorithm: str) -> dict[str, float]:
    import gymnasium

    if library == "sbx":
        import sbx as rival
    else:
        import stable_baselines3 as rival
    from stable_baselines3.common.callbacks import BaseCallback

    class Clock(BaseCallback):
        """Notes the time when the counted steps begin; a PPO roll-out is followed by its updates."""

        first = 0.0

        def _on_step(self) -> bool:
            if self.num_timesteps == WARM[algorithm] + 1:
                self.first = time.perf_counter()
            return True

    settings = {"sac": {"learning_starts": 1_000}, "ppo": {}}[algorithm]
    agent = {"sac": rival.SAC, "ppo": rival.PPO}[algorithm]
    model = agent("MlpPolicy", gymnasium.make(TASK[algorithm]), seed=0, device="cpu", **settings)
    clock, began = Clock(), time.perf_counter()
    model.learn(WARM[algorithm] + TIMED[algorithm], callback=clock)
    seconds = time.perf_counter() - clock.first
    return {"seconds_to_first": clock.first - began, "steps_per_second": TIMED[algorithm] / seconds}


def machine() -> dict[str, object]:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    flags = next((line for line in lines if line.startswith("flags")), "")
    vectors = sorted(flag for flag in flags.split() if flag.startswith("avx"))
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return {"system": platform.platform(), "processor": model, "vectors": vectors, "cores": os.cpu_count()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", default=sys.executable)
    parser.add_argument("--peers", help="interpreter that has stable-baselines3 and sbx-rl")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--algorithms", nargs="+", choices=sorted(TASK), default=sorted(TASK))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--measure", nargs=2, metavar=("RIVAL", "ALGORITHM"), help="one measurement, in this process")
    options = parser.parse_args()
    if options.measure:
        rival, algorithm = options.measure
        result = actlab(algorithm) if rival == "actlab" else peer(rival, algorithm)
        sys.stdout.write(json.dumps(result) + "\n")
        return
    rounds: dict[str, list[dict[str, float]]] = {}
    for _ in range(options.rounds):
        for algorithm in options.algorithms:
            for rival in RIVALS:
                python = options.ours if rival == "actlab" else options.peers
                words = [python, __file__, "--measure", rival, algorithm]
                said = subprocess.run(words, check=True, capture_output=True, text=True).stdout
                result = json.loads(said.splitlines()[-1])
                rounds.setdefault(f"{algorithm} {rival}", []).append(result)
                sys.stdout.write(f"{algorithm} {rival}: {result}\n")
                sys.stdout.flush()
    summary = {
        name: {
            "median": statistics.median(row["steps_per_second"] for row in rows),
            "best": max(row["steps_per_second"] for row in rows),
            "rounds": rows,
        }
        for name, rows in rounds.items()
    }
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps({"machine": machine(), "figures": summary}, indent=1) + "\n")
    for name, row in summary.items():
        sys.stdout.write(f"{name}: median {row['median']:.0f}, best {row['best']:.0f} steps/s\n")


if __name__ == "__main__":
    main()

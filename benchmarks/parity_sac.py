"""Reference values for the parity test of SAC: three updates of Stable-Baselines3 from given weights, batch and noise.

    python benchmarks/parity_sac.py tests/parity/sac_stable_baselines3.json

reads the inputs in that file (written by `python -m tests.parity.test_sac`, with actlab) and adds the outputs. Needs
Stable-Baselines3, and nothing of actlab.
"""

import json
import sys
from pathlib import Path

import gymnasium
import stable_baselines3
import torch


class Spaces(gymnasium.Env):
    """Nothing but the two spaces."""

    def __init__(self, observations: int, actions: int):
        self.observation_space = gymnasium.spaces.Box(-1.0, 1.0, (observations,))
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (actions,))


def linears(module: torch.nn.Module) -> list[torch.nn.Linear]:
    return [layer for layer in module.modules() if isinstance(layer, torch.nn.Linear)]


def put(layers: list[torch.nn.Linear], values: list[dict]) -> None:
    for layer, value in zip(layers, values, strict=True):
        layer.weight.data = torch.tensor(value["weight"], dtype=torch.float32)
        layer.bias.data = torch.tensor(value["bias"], dtype=torch.float32)


def read(layers: list[torch.nn.Linear]) -> list[dict]:
    return [{"weight": layer.weight.tolist(), "bias": layer.bias.tolist()} for layer in layers]


def main(path: Path) -> None:
    document = json.loads(path.read_text())
    given = document["inputs"]
    rows = {name: torch.tensor(value, dtype=torch.float32) for name, value in given["batch"].items()}
    batch, width = len(rows["rewards"]), len(given["actor"][0]["bias"])
    environment = Spaces(rows["observations"].shape[1], rows["actions"].shape[1])
    model = stable_baselines3.SAC(
        "MlpPolicy",
        environment,
        policy_kwargs={"net_arch": [width, width]},
        gamma=given["discount"],
        learning_rate=given["learning_rate"],
        device="cpu",
    )
    model.set_logger(stable_baselines3.common.logger.configure(format_strings=[]))
    actor = [*linears(model.actor.latent_pi), model.actor.mu, model.actor.log_std]
    critics = [linears(network) for network in model.critic.q_networks]
    slow = [linears(network) for network in model.critic_target.q_networks]
    put(actor, given["actor"])
    for layers, copies, values in zip(critics, slow, given["critics"], strict=True):
        put(layers, values)
        put(copies, values)

    samples = type(model.replay_buffer.sample(1)) if model.replay_buffer.size() else None
    if samples is None:
        from stable_baselines3.common.type_aliases import ReplayBufferSamples as samples
    column = lambda name: rows[name][:, None]  # noqa: E731
    fields = {
        "observations": rows["observations"],
        "actions": rows["actions"],
        "next_observations": rows["next_observations"],
        "dones": column("terminated"),
        "rewards": column("rewards"),
    }
    model.replay_buffer.sample = lambda *_, **__: samples(**fields)

    noise = iter([torch.tensor(draw, dtype=torch.float32) for pair in given["noise"] for draw in pair])
    torch.distributions.Normal.rsample = lambda self, shape=(): self.loc + self.scale * next(noise)
    outputs = []
    for _ in given["noise"]:
        model.train(1, batch)
        logged = model.logger.name_to_value
        outputs.append(
            {
                "critic_loss": float(logged["train/critic_loss"]),
                "actor_loss": float(logged["train/actor_loss"]),
                "log_temperature": float(model.log_ent_coef.detach()[0]),
                "actor": read(actor),
                "critics": [read(layers) for layers in critics],
                "targets": [read(layers) for layers in slow],
            }
        )
    document["outputs"] = outputs
    document["source"] = {
        "package": "stable-baselines3",
        "version": stable_baselines3.__version__,
        "torch": torch.__version__,
        "function": "SAC.train, one gradient step a call; draws of the Gaussians replaced by the noise in inputs",
    }
    path.write_text(json.dumps(document) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

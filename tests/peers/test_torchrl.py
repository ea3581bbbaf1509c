"""TorchRL's `GymWrapper` around the Gymnasium face: its checker of specifications passes."""

from importlib.util import find_spec

import pytest

from actlab.core import spaces
from actlab.core.registry import TASKS
from actlab.tasks.catalogue import task
from tests.tasks.environments.forgiving import Forgiving

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.skipif(find_spec("torchrl") is None, reason="TorchRL is not installed: `make test-peers` installs it"),
]


def known(space) -> bool:
    """Has TorchRL this space, so that a random rollout of it can be played?"""
    if isinstance(space, spaces.Dict):
        return all(known(part) for _, part in space.items)
    return isinstance(space, spaces.Box | spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary)


NAMES = [entry.name for entry in TASKS if known(task(entry.name).environment.action)]


@pytest.mark.parametrize("name", NAMES)
def test_its_checker_passes(name):
    from torchrl.envs import GymWrapper
    from torchrl.envs.utils import check_env_specs

    check_env_specs(GymWrapper(Forgiving(task(name))), seed=0)

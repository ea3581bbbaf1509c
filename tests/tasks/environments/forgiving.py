"""The Gymnasium face for checkers that draw actions from the whole space."""

import jax
import numpy as np

from actlab.core import sets
from actlab.tasks.face import Face


class Forgiving(Face):
    """Plays the nearest legal action in place of a forbidden one."""

    def step(self, action):
        space = self._task.environment.action
        legal = sets.project(self._allowed, space.from_host(action))
        return super().step(space.to_host(jax.tree.map(np.asarray, legal)))

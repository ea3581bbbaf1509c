"""Random shifts move pictures, whole, within their pad, and nothing else."""

import jax
import jax.numpy as jnp
import numpy as np

from actlab.data.augmentation import random_shift

IMAGE = np.arange(6 * 5 * 3, dtype=np.uint8).reshape(6, 5, 3)


def shifts(image, axes):
    """All pictures that a shift by up to one pixel can give."""
    padded = np.pad(image, [(1, 1) if axis in axes else (0, 0) for axis in range(image.ndim)], mode="edge")
    rows, columns = (image.shape[axis] for axis in axes)
    results = []
    for i in range(3):
        for j in range(3):
            part = np.take(np.take(padded, range(i, i + rows), axes[0]), range(j, j + columns), axes[1])
            results.append(part.tobytes())
    return results


def many(observation, count=200):
    keys = jax.random.split(jax.random.key(0), count)
    return jax.jit(jax.vmap(lambda key: random_shift(observation, key, 1)))(keys)


def test_every_shift_and_only_shifts_come_out():
    for image, axes in (
        (IMAGE, (0, 1)),
        (np.moveaxis(IMAGE, -1, 0), (1, 2)),  # channels first
        (np.stack([IMAGE, IMAGE[::-1]]), (1, 2)),  # a stack moves as one
    ):
        seen = {np.ascontiguousarray(picture).tobytes() for picture in np.asarray(many(jnp.asarray(image)))}
        assert seen == set(shifts(np.ascontiguousarray(image), axes))


def test_views_move_by_themselves_and_numbers_stay():
    seen = many({"left": jnp.asarray(IMAGE), "right": jnp.asarray(IMAGE), "speed": jnp.ones((2,))})
    assert (np.asarray(seen["left"]) != np.asarray(seen["right"])).any()
    np.testing.assert_array_equal(seen["speed"], np.ones((200, 2)))

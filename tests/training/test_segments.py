"""Replay buffers in segments: the same rows come back, few files, each row written few times."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.core.errors import ActlabError
from actlab.core.steps import Batch, first_step
from actlab.data import buffer
from actlab.training import segments as module
from actlab.training.segments import Segments

LANES, CAPACITY = 2, 40


def batch(begin: int, count: int) -> Batch:
    """Rows `[E, count]`; row t of lane e observes [t, e] and holds a key."""
    times = jnp.broadcast_to(jnp.arange(begin, begin + count, dtype=jnp.float32), (LANES, count))
    lanes = jnp.broadcast_to(jnp.arange(LANES, dtype=jnp.float32)[:, None], (LANES, count))
    step = jax.vmap(jax.vmap(lambda t, e: first_step(jnp.stack([t, e]))))(times, lanes)
    keys = jax.vmap(jax.vmap(lambda t: jax.random.key(t.astype(jnp.uint32))))(times)
    return Batch(step, times, times[..., None], step, {"key": keys}, jnp.ones((LANES, count), bool), ())


def empty(capacity: int = CAPACITY) -> buffer.Buffer:
    row = jax.eval_shape(lambda: jax.tree.map(lambda leaf: leaf[0, 0], batch(0, 1)))
    blank = jax.tree.map(lambda leaf: jnp.zeros((LANES, capacity, *leaf.shape), leaf.dtype), row._replace(extras=()))
    keys = jnp.broadcast_to(jax.random.key(0), (LANES, capacity))
    return buffer.Buffer(blank._replace(extras={"key": keys}), jnp.zeros((), jnp.int32))


def grown(ring: buffer.Buffer, begin: int, count: int) -> buffer.Buffer:
    return buffer.add(ring, batch(begin, count))


def assert_same(one: buffer.Buffer, other: buffer.Buffer) -> None:
    assert int(one.added) == int(other.added)
    filled = np.arange(min(int(one.added), one.capacity))
    for a, b in zip(jax.tree.leaves(one.rows), jax.tree.leaves(other.rows), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(module._plain(a)[:, filled], module._plain(b)[:, filled])


def test_the_rows_come_back_also_when_the_ring_has_turned_over(tmp_path):
    ring, writer = empty(), Segments(tmp_path, ["replay"])
    begin, ledger = 0, {}
    for count in (3, 3, 7, 3, 40, 7, 3):
        ring, begin = grown(ring, begin, count), begin + count
        ledger = writer.save({"replay": ring})
        writer.prune()
        assert_same(ring, Segments(tmp_path, ["replay"]).load({"replay": empty()}, ledger)["replay"])
        held = ledger["replay"]
        assert held[-1][1] == begin
        assert held[0][0] <= max(begin - CAPACITY, 0)
        assert all(left[1] == right[0] for left, right in pairwise(held))
        assert len(list((tmp_path / "replay").iterdir())) == len(held)


def test_rows_are_written_few_times_into_few_files(tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(module, "_rows", lambda ring, begin, end: written.append(end - begin) or {"x": jnp.zeros(1)})
    writer, rows, saves = Segments(tmp_path, ["replay"]), 10, 256
    ring = empty(1)
    monkeypatch.setattr(buffer.Buffer, "capacity", rows * saves)
    for save in range(saves):
        ring = buffer.Buffer(ring.rows, jnp.int32(rows * (save + 1)))
        ledger = writer.save({"replay": ring})
        assert len(ledger["replay"]) <= 9
    assert sum(written) <= 9 * rows * saves  # a new file of all rows each time would be 128 times as many
    before = len(written)
    assert writer.save({"replay": ring}) == ledger
    assert len(written) == before  # nothing new, nothing written


def test_a_checkpoint_that_was_not_completed_leaves_the_one_before_readable(tmp_path):
    ring, writer = grown(empty(), 0, 7), Segments(tmp_path, ["replay"])
    first = {name: list(map(list, held)) for name, held in writer.save({"replay": ring}).items()}
    writer.prune()
    writer.save({"replay": grown(ring, 7, 3)})  # killed before its checkpoint: no prune
    again = Segments(tmp_path, ["replay"])
    assert_same(ring, again.load({"replay": empty()}, first)["replay"])
    again.prune()
    assert [path.name for path in (tmp_path / "replay").iterdir()] == ["replay-0-7.safetensors"]


def test_what_is_lost_is_one_sentence(tmp_path):
    writer = Segments(tmp_path, ["replay"])
    ledger = writer.save({"replay": grown(empty(), 0, 7)})
    with pytest.raises(ActlabError, match="replay buffers"):
        Segments(tmp_path, ["other"]).load({"other": empty()}, ledger)
    (path,) = (tmp_path / "replay").iterdir()
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(ActlabError, match="damaged"):
        Segments(tmp_path, ["replay"]).load({"replay": empty()}, ledger)
    path.unlink()
    with pytest.raises(ActlabError, match="does not exist"):
        Segments(tmp_path, ["replay"]).load({"replay": empty()}, ledger)


def test_what_a_killed_writer_left_goes_with_the_next_save(tmp_path):
    ring, writer = grown(empty(), 0, 3), Segments(tmp_path, ["replay"])
    (tmp_path / "replay").mkdir()
    for left in (".replay-0-3.safetensors.17.tmp", "replay-0-9.safetensors"):
        (tmp_path / "replay" / left).write_bytes(b"half")
    (tmp_path / "replay" / "somebody's notes.txt").write_text("kept")
    writer.save({"replay": ring})
    writer.prune()
    assert {path.name for path in (tmp_path / "replay").iterdir()} == {
        "replay-0-3.safetensors",
        "somebody's notes.txt",
    }

"""`options.json`, from which help is printed before JAX is imported, says what the dataclasses say."""

import json
import subprocess
import sys

import pytest

from actlab.cli import generate
from actlab.cli.catalogue import table
from actlab.core.options import construct, option_fields, parse_chain
from actlab.core.registry import AGENTS, CODES, Entry

REGISTRIES = {"agent": AGENTS, "code": CODES}
ITEMS = [pytest.param(kind, entry, id=entry.name) for kind, entries in REGISTRIES.items() for entry in entries]


def test_the_table_is_up_to_date():
    """Written in a process of its own: other tests register tasks."""
    script = "from actlab.cli import generate; print(generate.text(), end='')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(generate.PATH.read_text("utf-8")) == json.loads(done.stdout), "run `make options`"


@pytest.mark.parametrize(("kind", "entry"), ITEMS)
def test_every_option_has_a_help_text(kind: str, entry: Entry):
    texts = generate.field_texts(entry.load())
    assert {name for name in option_fields(entry.load()) if not texts.get(name)} == set()


@pytest.mark.parametrize(("kind", "entry"), ITEMS)
def test_the_defaults_as_they_are_written_are_the_defaults(kind: str, entry: Entry):
    options = [o for o in table(kind)[entry.name].options if o.default is not None]
    text = entry.name + (":" if options else "") + ",".join(f"{o.name}={o.default}" for o in options)
    (call,) = parse_chain(text)
    written, plain = construct(REGISTRIES[kind], call), entry.load()()
    assert [getattr(written, o.name) for o in options] == [getattr(plain, o.name) for o in options]

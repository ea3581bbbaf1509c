"""The server as a process: it answers, tells its address alone, and its end ends nothing else."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager

import pytest

pytest.importorskip("uvicorn")
from actlab.cli.parser import parse
from actlab.core.errors import ActlabError
from actlab.web.server import listen, serve


@contextmanager
def serving(root, *words, mail=None, port=0):
    """A server over a folder of runs, and its address.

    Args:
        mail: the settings for mail; by default there are none.
    """
    begin = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from runpy import run_module; "
    code = begin + "run_module('actlab', run_name='__main__')"
    command = [sys.executable, "-c", code, "web", f"--port={port}", f"--runs={root}", "--json", *words]
    environment = {**os.environ, "ACTLAB_MAIL": str(mail or ""), "HOME": str(root.parent)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    try:
        yield process, json.loads(process.stdout.readline())["address"]
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


def test_it_answers_until_it_is_stopped(root, make_run):
    make_run("run")
    with serving(root) as (process, address):
        assert address.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(f"{address}/runs") as answer:
            assert answer.status == 200
            assert "server" not in {name.lower() for name in answer.headers}
            assert "run</a>" in answer.read().decode()
        request = urllib.request.Request(address, headers={"Host": "evil.example"})
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request)
        assert refused.value.code == 421
        refused.value.close()
        process.send_signal(signal.SIGINT)
        said, complained = process.communicate(timeout=60)
        assert (said, complained) == ("", "")
        assert process.returncode == 0
    assert json.loads((root / "run" / "run.json").read_text())["seed"] == 0


def test_a_port_that_is_taken_is_one_sentence(root):
    with serving(root) as (_, address), pytest.raises(ActlabError, match="cannot be used"):
        serve(root, port=int(address.rpartition(":")[2]))


def test_an_answer_waits_for_no_acknowledgement():
    with listen(0) as listening:
        assert listening.getsockname()[0] == "127.0.0.1"
        assert listening.proto == socket.IPPROTO_TCP  # what asyncio looks at before it turns the waiting off


def test_the_command_knows_its_flags():
    asked = parse(["web", "--port", "0", "--open", "--runs", "x"])
    assert (asked.run, asked.port, asked.open, asked.runs, asked.results) == ("web.web", 0, True, "x", "results")
    for port in ("65536", "-1", "http"):
        with pytest.raises(ActlabError, match="port"):
            parse(["web", f"--port={port}"])


def test_help_imports_no_jax_and_no_server():
    code = "import sys; from actlab.cli import main; main(['web', '--help']); "
    code += "print({'jax', 'starlette'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.endswith("set()\n")

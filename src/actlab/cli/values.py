"""What a flag's word means: each function turns the word into a value, or says what was expected.

They raise `argparse.ArgumentTypeError`, or `UnknownName` where a name is not registered.
"""

import argparse
import re

from actlab.cli.catalogue import look_up
from actlab.core.errors import ActlabError
from actlab.core.options import parse_call, parse_chain


def count(text: str) -> int:
    """A whole number of things: `20000`, `20_000`, `20k`, `1.5M`, `2e4`."""
    match = re.fullmatch(r"([0-9][0-9_]*(?:\.[0-9]+)?(?:e[0-9]+)?)([kKM]?)", text)
    number = float(match[1].replace("_", "")) * {"": 1, "k": 1e3, "K": 1e3, "M": 1e6}[match[2]] if match else 0.0
    if not 1 <= number <= 1e15 or number % 1:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0 (20000, 20k, 1.5M); received {text!r}")
    return int(number)


def seconds(text: str) -> float:
    """A time above 0, or `inf`."""
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?|inf", text) or not float(text) > 0:
        raise argparse.ArgumentTypeError(f"expected seconds above 0 (600, 0.5, inf); received {text!r}")
    return float(text)


def seed(text: str) -> int:
    """A seed: 0 or more."""
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise argparse.ArgumentTypeError(f"expected a seed, 0 or more; received {text!r}")
    return int(text)


def day(text: str) -> str:
    """A year, a month or a day: `2025`, `2025-03`, `2025-03-01`."""
    if not re.fullmatch(r"[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?", text):
        raise argparse.ArgumentTypeError(f"expected a date (2025, 2025-03 or 2025-03-01); received {text!r}")
    return text


def whole_day(text: str) -> str:
    """A day of the calendar: `2025-03-01`."""
    import datetime

    try:
        return datetime.date.fromisoformat(text).isoformat()
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a day (2025-03-01); received {text!r}") from None


def port(text: str) -> int:
    """A port: 0 to 65535."""
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"expected a port, 0 to 65535; received {text!r}")
    return int(text)


def device(text: str) -> str:
    """`cpu`, `gpu` or the number of an accelerator."""
    if text not in ("cpu", "gpu") and not re.fullmatch(r"[0-9]{1,3}", text):
        raise argparse.ArgumentTypeError(f"expected cpu, gpu or the number of an accelerator; received {text!r}")
    return text


def agent(text: str) -> str:
    """An agent with its options: `ppo:learning_rate=1e-3`, or `module:Class:learning_rate=1e-3` of one's own."""
    name = parse_call(text).name
    if ":" not in name:  # else it is imported when the command runs
        look_up("agent", name)
    return text


def code(text: str) -> str:
    """A chain of codes with their options: `normalise+bins:bins=7`, or `module:Class` of one's own."""
    for call in parse_chain(text):
        if ":" not in call.name:  # else it is imported when the command runs
            look_up("code", call.name)
    return text


def budget(text: str) -> str:
    """Steps (`200k`) or time (`20m`)."""
    from actlab.training.halving import parse_budget

    try:
        return parse_budget(text).text
    except ActlabError as error:
        raise argparse.ArgumentTypeError(str(error).rstrip(".")) from None


def variation(text: str) -> tuple[str, str]:
    """An option and what it is varied over: `learning_rate=1e-4..1e-2:log`, `epochs=2,4,8`."""
    option, separator, values = text.partition("=")
    if not (separator and option.strip() and values.strip()):
        raise argparse.ArgumentTypeError(
            f"expected OPTION=LOW..HIGH, OPTION=LOW..HIGH:log or OPTION=A,B,C; received {text!r}"
        )
    return option.strip().replace("-", "_"), values.strip()

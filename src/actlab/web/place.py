"""What all pages share: where runs and results lie, and how a page is made from a template."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from actlab.reports.verdict import number
from actlab.training.study import duration
from actlab.web.desk import Desk
from actlab.web.index import RunIndex
from actlab.web.processes import Processes

STALE = 2.0
"""Seconds after which the folders are read again when a page is asked for."""
WAIT: float | None = 0.03
"""Seconds that a page waits for that; reading many folders goes on behind it."""


@dataclass
class Place:
    """One root of runs, and the results that it is read beside."""

    index: RunIndex
    results: Path
    desk: Desk = field(default_factory=Desk)
    processes: Processes = field(init=False)

    def __post_init__(self):
        self.processes = Processes(self.index)
        self._reader = ThreadPoolExecutor(1, "actlab-index")

    @cached_property
    def templates(self) -> Any:
        """Jinja's environment; everything is escaped."""
        from jinja2 import Environment, PackageLoader, StrictUndefined

        environment = Environment(
            loader=PackageLoader("actlab.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters |= {
            "number": number,
            "duration": duration,
            "thousands": lambda value: f"{value:,}",
            "size": _size,
            "prose": _prose,
            "pretty": lambda value: json.dumps(value, indent=2, ensure_ascii=False, default=str),
        }
        return environment

    def refresh(self) -> None:
        """See what has happened in the folders."""
        self.processes.tidy()
        with suppress(TimeoutError):  # the page shows what is known
            self._reader.submit(self.index.refresh, STALE).result(WAIT)

    def close(self) -> None:
        """Read no more, and close the index."""
        self._reader.shutdown(cancel_futures=True)
        self.index.close()
        self.desk.close()

    def page(self, request: Request, template: str, *, answer: int = 200, **values: Any) -> HTMLResponse:
        """A page; templates know `token`, `path`, `public` and `parameter(name)` beside the values given."""

        def parameter(name: str) -> str:
            return request.query_params.get(name, "")

        text = self.templates.get_template(template).render(
            token=request.scope["token"],
            public=request.scope["public"],
            path=request.url.path,
            parameter=parameter,
            **values,
        )
        return HTMLResponse(text, answer)

    def trouble(self, request: Request, sentence: str, status: int = 400) -> Response:
        """A page that says what went wrong."""
        return self.page(request, "trouble.html", answer=status, sentence=sentence)


def _size(figure: Any) -> Any:
    """Width and height of a picture of a figure, so that nothing moves when it arrives."""
    from markupsafe import Markup

    width, height = figure.get_size_inches()
    return Markup('width="{}" height="{}"').format(round(100 * width), round(100 * height))


def _prose(text: str) -> Any:
    """Text of a card, in which words between backquotes are code."""
    from markupsafe import Markup

    parts = text.split("`")
    if len(parts) % 2 == 0:  # one that nothing closes
        return text
    return Markup("").join(Markup("<code>{}</code>").format(x) if i % 2 else x for i, x in enumerate(parts))


def field_of(request: Request, name: str, default: str = "") -> str:
    """A field of the form that a request holds, without spaces around it."""
    return request.scope["form"].get(name, [default])[0].strip() or default


def go_to(address: str) -> RedirectResponse:
    """To another page, after a change."""
    return RedirectResponse(address, 303)

"""The application: routes, what every request passes, and what is said when something goes wrong."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from actlab.core.errors import ActlabError, UnknownName
from actlab.web import atlas, comparing, feed, feeds, lab, running, subscribing
from actlab.web.catalogue import all_papers
from actlab.web.desk import Desk
from actlab.web.index import RunIndex
from actlab.web.place import Place
from actlab.web.safety import Guard, secret_of

SENTENCES = {404: "There is no such page.", 405: "This address takes another kind of request."}


def make_app(root: str | Path = "runs", results: str | Path = "results", mail: Path | None = None) -> Guard:
    """The app over the run folders below `root` and the papers' results in `results`.

    Args:
        mail: the settings for mail; None for where they usually are.

    Raises:
        ActlabError: the root cannot be written.
    """
    index = RunIndex(root)
    place = Place(index, Path(results), Desk(mail))
    index.refresh()
    all_papers(place.results)  # now, so that the first pages do not wait for it
    for template in ("feed.html", "runs.html"):
        place.templates.get_template(template)
    pages = (feed, running, comparing, lab, atlas, subscribing, feeds)
    routes = [route for page in pages for route in page.routes(place)]
    files = StaticFiles(directory=Path(__file__).with_name("static"))

    async def wrong(request: Request, error: Exception) -> Response:
        missing = isinstance(error, UnknownName)
        return place.trouble(request, str(error), 404 if missing else 400)

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return place.trouble(request, SENTENCES.get(error.status_code, error.detail), error.status_code)

    async def failed(request: Request, error: Exception) -> Response:
        sys.stderr.write(f"actlab web: {type(error).__name__} at {request.url.path}: {error}\n")
        return place.trouble(request, "Something went wrong here; the server's terminal says what.", 500)

    @asynccontextmanager
    async def life(app: Starlette) -> AsyncIterator[None]:
        yield
        place.close()

    app = Starlette(
        routes=[*routes, Mount("/static", files, name="static")],
        lifespan=life,
        exception_handlers={ActlabError: wrong, HTTPException: refused, Exception: failed},
    )
    app.state.desk = place.desk
    return Guard(app, secret_of(index.database.parent), place.desk.public())

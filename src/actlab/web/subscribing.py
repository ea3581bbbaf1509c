"""The pages for news by mail: asking for it, confirming, choosing and leaving.

No address is ever shown to be known: the form answers everybody the same. Following a link changes nothing, because
programs follow links, too; a button does. The one exception is what mail programs send when their own button is
pressed (RFC 8058), which `safety` lets through without a token of ours.
"""

import sys
from collections.abc import Callable
from functools import wraps
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from actlab.core.errors import ActlabError
from actlab.mail.addresses import LONGEST
from actlab.mail.settings import EXAMPLE, Settings, settings_path
from actlab.mail.smtp import NoServer
from actlab.mail.subscribers import CADENCES, CONFIRM, MANAGE, Choice, NoKey, TooMany
from actlab.papers.taxonomy import taxonomy
from actlab.web.place import Place, field_of, go_to
from actlab.web.safety import ONE_CLICK

Page = Callable[[Request], Response]


def routes(place: Place) -> list[Route]:
    """The pages' addresses."""
    desk = place.desk

    def with_mail(page: Callable[[Request, Settings], Response]) -> Page:
        """A page that is there where mail can be sent; else one that says what is missing."""

        @wraps(page)
        def shown(request: Request) -> Response:
            try:
                settings, trouble = desk.settings(), ""
            except ActlabError as error:
                settings, trouble = None, str(error)
            if settings is None:
                where = "" if request.scope["public"] else str(settings_path())
                trouble = "" if request.scope["public"] else trouble
                return place.page(request, "mail_settings.html", example=EXAMPLE, where=where, trouble=trouble)
            try:
                return page(request, settings)
            except NoKey as error:
                return place.trouble(request, str(error), 404)
            except TooMany as error:
                return place.trouble(request, str(error), 429)

        return shown

    def form(request: Request, choice: Choice, trouble: str = "", address: str = "") -> Response:
        values = {"groups": _groups(), "choice": choice, "cadences": CADENCES, "longest": LONGEST}
        status = 400 if trouble else 200
        return place.page(request, "subscribe.html", answer=status, trouble=trouble, address=address, **values)

    @with_mail
    def subscribe(request: Request, settings: Settings) -> Response:
        known = taxonomy().tags
        return form(request, Choice(tuple(tag for tag in request.query_params.getlist("tag") if tag in known)))

    @with_mail
    def ask(request: Request, settings: Settings) -> Response:
        choice, address, now = _choice(request), field_of(request, "address"), desk.now()
        client = request.client.host if request.client else ""
        try:
            asked = desk.subscribers(settings).ask(address, choice, client=client, now=now)
        except TooMany:
            raise
        except ActlabError as error:
            return form(request, choice, str(error), address)
        if asked is not None:
            from actlab.mail.digest import render_confirmation
            from actlab.mail.send import post

            reader, key = asked
            try:
                post(settings, reader.address, render_confirmation(settings.base, key, _words(choice)), now, key)
            except NoServer as error:
                sys.stderr.write(f"actlab web: {error}\n")
                sentence = "No mail can be sent at the moment; the server's terminal says why. Try again later."
                return place.trouble(request, sentence, 503)
        return place.page(
            request,
            "said.html",
            title="Look into your mailbox",
            sentences=(
                "If that address can be reached, a mail is on its way. It has a link to confirm, good for 48 hours.",
                "Nothing else is sent before that. If no mail comes, look where unwanted mail is kept.",
            ),
        )

    @with_mail
    def look(request: Request, settings: Settings) -> Response:
        key = request.query_params.get("key", "")
        _, choice = desk.subscribers(settings).holder(key, CONFIRM, desk.now())
        return place.page(request, "confirm.html", key=key, words=_words(choice))

    @with_mail
    def confirm(request: Request, settings: Settings) -> Response:
        confirmed = desk.subscribers(settings).confirm(field_of(request, "key"), desk.now())
        sentences = (
            f"You will get {_words(confirmed.choice)}.",
            "Every mail has a link to other tags, another rhythm, or no more mail.",
        )
        return place.page(request, "said.html", title="You are subscribed", sentences=sentences)

    @with_mail
    def subscription(request: Request, settings: Settings) -> Response:
        key = request.query_params.get("key", "")
        reader, _ = desk.subscribers(settings).holder(key, MANAGE, desk.now())
        values = {"groups": _groups(), "choice": reader.choice, "cadences": CADENCES}
        return place.page(request, "subscription.html", key=key, gone=reader.state != "confirmed", **values)

    @with_mail
    def change(request: Request, settings: Settings) -> Response:
        subscribers, key = desk.subscribers(settings), field_of(request, "key")
        if field_of(request, "do") == "leave":
            subscribers.leave(key, desk.now())
            title, sentence = "You have left", "No more news will be sent to you. To come back, subscribe again."
        else:
            chosen = subscribers.choose(key, _choice(request), desk.now())
            title, sentence = "Your choice is kept", f"You will get {_words(chosen.choice)}."
        return place.page(request, "said.html", title=title, sentences=(sentence,))

    def to_subscription(request: Request) -> Response:
        return go_to(f"/subscription?{urlencode({'key': request.query_params.get('key', '')})}")

    def one_click(request: Request) -> Response:
        settings = desk.settings()
        try:
            if settings is None:
                raise NoKey
            desk.subscribers(settings).leave(request.query_params.get("key", ""), desk.now())
        except NoKey as error:
            return PlainTextResponse(f"{error}\n", 404)
        return PlainTextResponse("No more news will be sent.\n")

    return [
        Route("/subscribe", subscribe),
        Route("/subscribe", ask, methods=["POST"]),
        Route("/confirm", look),
        Route("/confirm", confirm, methods=["POST"]),
        Route("/subscription", subscription),
        Route("/subscription", change, methods=["POST"]),
        Route(ONE_CLICK, to_subscription),
        Route(ONE_CLICK, one_click, methods=["POST"]),
    ]


def _choice(request: Request) -> Choice:
    return Choice(tuple(request.scope["form"].get("tag", [])), field_of(request, "cadence", "weekly"))


def _groups() -> list[tuple[str, list]]:
    """The tags that can be chosen, under headings: a tag with parts stands for all of them."""
    order = taxonomy()
    groups = []
    for axis in (record for record in order.actions if not record.above):
        parts = [record for record in order.actions if record.above == axis.id]
        groups.append((axis.name, parts or [axis]))
    groups.append(("Parts of vision-language-action models", list(order.modules)))
    groups.append(("What is still hard there", [record for record in order.challenges if not record.above]))
    return groups


def _words(choice: Choice) -> str:
    names = [taxonomy().tags[tag].name for tag in choice.tags]
    return f"{choice.cadence} news about {', '.join(names) if names else 'everything'}"

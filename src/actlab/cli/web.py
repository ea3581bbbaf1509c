"""`actlab web`."""

import argparse


def web(options: argparse.Namespace) -> None:
    """`actlab web`"""
    from actlab.web.server import serve

    serve(options.runs, options.results, port=options.port, browser=options.open, as_json=options.json)

"""The only way to a terminal: what a file, folder or run is called must not be able to steer it or to forge lines."""

import click

from upcycle.errors import printable


def say(line: str, *, err: bool = False) -> None:
    """Print one line; characters that cannot be printed become question marks."""
    click.echo(printable(line), err=err)

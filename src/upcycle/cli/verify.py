"""upcycle verify"""

from pathlib import Path

import click

from upcycle.cli._options import json_option, print_json
from upcycle.cli._say import say


@click.command()
@click.argument("release", type=click.Path(path_type=Path))
@json_option
def verify(release: Path, as_json: bool) -> None:
    """Check RELEASE, a folder that you received: files, formats, what its evidence says, and its synthetic set.

    Needs no private data. Every check ends in fine, look, wrong or not checked; exit code 3 if one is wrong.
    """
    from upcycle.release import WRONG_EXIT, verify_release

    inside = release / "release"  # of a run
    found = verify_release(inside if inside.is_dir() else release)
    if as_json:
        print_json(found.to_json())
    else:
        for line in found.lines():
            say(line)
    if found.wrong:
        click.get_current_context().exit(WRONG_EXIT)

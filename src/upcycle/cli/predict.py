"""upcycle predict"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

import click

from upcycle.cli._options import json_option, print_json
from upcycle.cli._say import say

if TYPE_CHECKING:
    from upcycle.release import Predictions


@click.command()
@click.argument("release", type=click.Path(path_type=Path))
@click.argument("files", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--csv", "as_csv", is_flag=True, help="Print a table: name, class, and a probability for every class.")
@json_option
def predict(release: Path, files: tuple[Path, ...], as_csv: bool, as_json: bool) -> None:
    """Classify FILES with the student of RELEASE (a release folder, its student folder, or a run).

    FILES are images of the kind that the student was made for, folders of them, or an .npz with an array `images`. They are
    prepared as its training images were; one that needs more than the release knows is refused.
    """
    from upcycle.release import load_student

    inside = release / "release"  # of a run
    found = load_student(inside if inside.is_dir() else release).predictions(files)
    if as_json:
        print_json(found.to_json())
        return
    for line in _table(found) if as_csv else found.lines():
        say(line)


def _table(found: Predictions) -> list[str]:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["name", "class", *found.class_names])
    for name, label, row in zip(found.names, found.labels, found.probabilities, strict=True):
        writer.writerow([name, found.class_names[label], *[f"{value:.6g}" for value in row]])
    return text.getvalue().splitlines()

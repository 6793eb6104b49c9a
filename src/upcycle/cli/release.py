"""upcycle release"""

import contextlib
import sys
from pathlib import Path
from typing import Any

import click

from upcycle.cli._options import json_option, print_json
from upcycle.cli._say import say
from upcycle.errors import ConfigError, UpcycleError, printable


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--images", type=int, default=2_000, show_default=True, help="Size of the synthetic set; 0 leaves it out.")
@click.option("--prior", default="balanced", show_default=True, help="Class shares: balanced, or those of the members.")
@click.option("--format", "formats", multiple=True, help="npz (the default), folders, webdataset, parquet; repeatable.")
@click.option("--onnx/--no-onnx", default=None, help="Write student/model.onnx; by default if the extra onnx is installed.")
@click.option("--torch-export/--no-torch-export", default=None, help="Write student/model.pt2; done by default.")
@click.option("--distilled", type=int, help="Images seen by a generator that leaves too, trained on the set alone; 0: none.")
@click.option("--licence", "--license", help="SPDX licence of the release, for example CC-BY-4.0.")
@click.option("--accept-risk", metavar="REASON", help="Release in spite of the audit; the cards show the reason.")
@click.option("--set", "overrides", multiple=True, metavar="gate.NAME=VALUE", help="Another budget; repeatable.")
@click.option("--dossier", is_flag=True, help="Also write dossier.html, one page for whoever signs the release.")
@click.option("--yes", is_flag=True, help="Do not ask, although the student never answers some class.")
@json_option
def release(
    run: Path, formats: tuple[str, ...], overrides: tuple[str, ...], dossier: bool, yes: bool, as_json: bool, **chosen: Any
) -> None:
    """Write RUN/release again: student, synthetic set, cards, checksums.

    Refused if the audit is missing, INVALID or LEAKS, or over the budget of the settings gate.*. After INCONCLUSIVE it
    releases, and the cards say so first.
    """
    never = _never_answered(run)
    if never and not yes and sys.stdin.isatty():
        click.confirm(f"{never}. Release it?", abort=True)
    from upcycle.release import ReleaseOptions
    from upcycle.runs import release_run
    from upcycle.runs.watch import make_display

    options = ReleaseOptions(formats=formats or ("npz",), **chosen)  # type: ignore[arg-type]  # checked there
    with contextlib.closing(make_display(sys.stderr if as_json else sys.stdout)) as display:
        released = release_run(run, options, gate=_gate(overrides), dossier=dossier, display=display)
    if never:
        say(f"warning: {never}", err=True)
    if as_json:
        print_json(released.to_json())
        return
    for line in released.lines():
        say(line)


def _gate(overrides: tuple[str, ...]) -> dict[str, object]:
    """The limits that were given, by name. Raises ConfigError for any other setting."""
    other = [text for text in overrides if not text.startswith("gate.")]
    if other:
        raise ConfigError(f"--set of release must be gate.NAME=VALUE. Got {other[0]}. Other settings belong to the run.")
    from upcycle._settings import resolve

    given = resolve(None, config_file=None, overrides=overrides).gate.model_dump()
    return {f"gate.{name}": value for name, value in given.items() if value is not None}


def _never_answered(run: Path) -> str:
    """What is said of a student that never answers some class; "" of any other, and of a folder that `release` will refuse."""
    from upcycle.runs import read_run

    with contextlib.suppress(UpcycleError):
        found = read_run(run).by_class
        if found is not None and (never := found.never_answered.get("student", ())):
            return f"the student never answers {printable(', '.join(never))}"
    return ""

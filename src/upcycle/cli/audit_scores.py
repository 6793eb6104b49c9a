"""upcycle audit-scores"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from upcycle.cli._options import json_option, print_json
from upcycle.cli._say import say

if TYPE_CHECKING:
    from upcycle.audit import AuditResult, Control, Row

INVALID = 3
_STATISTICS = {"auc": "AUC", "tpr": "TPR@1%FPR"}


@click.command(name="audit-scores")
@click.argument("scores", type=click.Path(path_type=Path))
@click.option("--primary", metavar="ATTACK", help="Attack of the primary endpoint (default: the first).")
@click.option(
    "--statistic",
    type=click.Choice(list(_STATISTICS)),
    default="auc",
    show_default=True,
    help="Its statistic: AUC, or TPR at 1 % FPR.",
)
@click.option("--population", default="clean", show_default=True, help="What the records are: clean, outlier or canary.")
@click.option("--confidence", type=float, default=0.95, show_default=True)
@click.option("--folds", type=int, default=5, show_default=True, help="Folds of the learned attacks on logits.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@json_option
def audit_scores(scores: Path, primary: str | None, statistic: str, population: str, as_json: bool, **settings: Any) -> None:
    """Audit any model from the scores or logits in SCORES, an .npz or a table (.csv, .tsv). Writes nothing.

    Arrays: member (n,), True for records that the model was trained on; scores (n,), higher = more likely a member, or
    logits (n, classes) with labels (n,). Optional: groups, images, ids, and seen_ids, the records used to choose anything
    (early stopping). Several targets: TARGET/ATTACK or TARGET/logits. Name the model that is known to leak "teacher", and
    scores made without any model "blind". A table has the same names as columns, one record a row; logits are columns
    logits/0, logits/1 ...

    Declare the primary endpoint before you look at the scores. Exit code 3 if a control failed: INVALID.
    """
    from upcycle.audit import Endpoint, read_scores
    from upcycle.audit import audit_scores as audit

    given = read_scores(scores)
    attack = primary or _first_attack(given.targets)
    endpoint = Endpoint("AUC" if statistic == "auc" else "TPR@1%FPR", attack, population)
    about: dict[str, Any] = {"images": given.images, "ids": given.ids, "seen_ids": given.seen_ids}
    result = audit(given.targets, endpoint=endpoint, **settings, **about)
    if as_json:
        print_json(result.to_json())
    else:
        for line in _lines(result):
            say(line)
    if result.verdict == "INVALID":
        click.get_current_context().exit(INVALID)


def _first_attack(targets: object) -> str:
    from upcycle.audit import AttackScores

    assert isinstance(targets, dict)
    first = next(target for name, target in targets.items() if name != "blind" or len(targets) == 1)
    return next(iter(first.scores)) if isinstance(first, AttackScores) and first.scores else "loss threshold"


def _lines(result: AuditResult) -> Iterator[str]:
    first = result.rows[0]
    yield f"{first.n_members:,} members, {first.n_non_members:,} non-members; primary endpoint: {result.endpoint}"
    yield ""
    head = ("target", "attack", "AUC", "TPR at 1 % FPR", "TPR at 0.1 % FPR", "p (Holm)", "epsilon >=")
    yield from _table([head, *map(_cells, result.rows)])
    yield ""
    yield from _table([("control", "target", "attack", "AUC", ""), *map(_control, result.controls)])
    for note in result.notes:
        yield f"note: {note}"
    for verdict in result.verdicts:
        yield ""
        yield f"{verdict.target}: {verdict.line}"
        yield verdict.sentence


def _cells(row: Row) -> tuple[str, ...]:
    p = row.p_holm if row.tpr_p_holm is None else min(row.p_holm, row.tpr_p_holm)
    return (
        row.part.name,
        f"{row.attack}{' *' if row.primary else ''}",
        str(row.auc),
        str(row.tpr_at_1pct),
        str(row.tpr_at_01pct),
        f"{p:.2g}",
        f"{row.epsilon_low:.2f} (cap {row.epsilon_cap:.2f})",
    )


def _control(control: Control) -> tuple[str, ...]:
    said = "ok" if control.passed else "FAILED" if control.failed else "not seen"
    return (control.control, control.target, control.attack, str(control.auc), said)


def _table(rows: list[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()

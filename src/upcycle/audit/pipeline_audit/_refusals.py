"""What shadow pipelines answered and no attack can judge: said by name, never turned into a number."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from upcycle._distinct import distinct
from upcycle._small_cell import SMALL_CELL
from upcycle.audit.attacks import CATALOGUE, Attack, listed, named, twins
from upcycle.audit.pipeline_audit._attacked import AttackResult
from upcycle.audit.pipelines import CONTROL, CONTROLS, Design, Shadows
from upcycle.audit.verdict import Part, Row
from upcycle.errors import AuditInputError


def without_faults(
    shadows: Shadows, catalogue: Sequence[Attack] = CATALOGUE
) -> tuple[Shadows, dict[str, str], tuple[str, ...]]:
    """The answers that can be attacked, why each other classifier is refused, and a note on all that was left out.

    Refused: a classifier that answers the same for every record in a run; a threshold on its loss would only tell the labels
    apart. Equal answers of a classifier in two runs are no leak and no proof of its absence but a fault, since the runs were
    given other members; labels alone (no more different answers than classes) may be equal where both models are right
    everywhere, and then only the attacks that need densities are left out. A classifier that is the same in all runs does not
    depend on who was a member, or was kept from another run: it is refused, too. Raises AuditInputError for that fault, for
    answers that are not finite, for pipelines given all records or none, and for those that leave nothing.
    """
    _check(shadows)
    constant = {name: runs for name, logits in shadows.logits.items() if len(runs := _constant(logits[:, :, 0]))}
    scored = {name: found for name, found in shadows.scores.items() if name not in CONTROLS}
    flat = {name: runs for name, found in scored.items() if len(runs := _constant(found[:, _judged(found)][..., None]))}
    refused = {name: _same(name, runs) for name, runs in constant.items() if _trained(name, catalogue)}
    fixed = {name for name, logits in shadows.logits.items() if name not in constant and _fixed(logits)}
    refused |= {name: _FIXED.format(name) for name in fixed if _trained(name, catalogue)}
    kept = replace(
        shadows,
        logits={name: logits for name, logits in shadows.logits.items() if name not in constant | dict.fromkeys(fixed, ())},
        scores={name: found for name, found in shadows.scores.items() if name not in flat},
    )
    notes = [_same(name, runs) for name, runs in (constant | flat).items()]
    notes += [_FIXED.format(name) for name in fixed]
    notes += _alike(kept, catalogue)
    return kept, refused, tuple(notes)


def without_rows(done: Iterable[AttackResult], rows: Sequence[Row], design: Design) -> dict[Part, str]:
    """Targets that were attacked, yet in no population that could be judged, and what to say of them."""
    judged, owners = {row.part for row in rows}, len(distinct(design.units))
    few = f" Everything rests on {owners} patients or records; a figure needs {SMALL_CELL}." if owners < SMALL_CELL else ""
    return {a.part: f"{a.part}: no population of it could be judged.{few}" for a in done if a.part not in judged}


def left_out(reasons: Iterable[tuple[str, str, str]]) -> tuple[str, ...]:
    """One note per population and reason from triples (population, reason, attack)."""
    found: dict[tuple[str, str], list[str]] = {}
    for population, reason, attack in reasons:
        found.setdefault((population, reason), []).append(attack)
    notes = []
    for (population, reason), attacks in found.items():
        more = f" and {len(attacks) - 3} more" if len(attacks) > 3 else ""
        notes.append(f"{population}: no row for {', '.join(attacks[:3])}{more}: {reason}.")
    return tuple(notes)


def _check(shadows: Shadows) -> None:
    """Nothing, or AuditInputError with every fault that no target survives."""
    members, answers = shadows.design.members, {**shadows.logits, **shadows.scores}
    problems = [
        f"{name}: answers must be finite. Got NaN or infinity in pipelines {listed(runs)}. Fix the model and run those again."
        for name, found in answers.items()
        if len(runs := np.flatnonzero(~np.isfinite(found[:, _judged(found)]).reshape(len(found), -1).all(1)))
    ]
    if len(whole := np.flatnonzero(members.all(1) | ~members.any(1))):
        problems.append(
            f"every pipeline must be given some records and not others. Got all or none in pipelines {listed(whole)}. Draw the "
            "members by coin flips."
        )
    if not answers.keys() - {*CONTROLS, CONTROL}:
        problems.append("a pipeline must leave a part that can be attacked. Got none. Return a student, say.")
    if problems:
        raise AuditInputError(*problems)


def _judged(answers: np.ndarray) -> np.ndarray:
    """bool (records,): all but those that were searched for in no run, whose score (runs, records) is NaN in all of them."""
    return ~np.isnan(answers).all(0) if answers.ndim == 2 else np.ones(answers.shape[1], bool)


def _constant(answers: np.ndarray) -> np.ndarray:
    """Runs int64 (k,) in which answers (runs, records, values) are the same for every record."""
    return np.flatnonzero((answers == answers[:, :1]).all(axis=(1, 2)))


def _same(name: str, runs: np.ndarray) -> str:
    return f"{name}: the same answer for every record in pipelines {listed(runs)}; not attacked, so nothing is known."


def _alike(shadows: Shadows, catalogue: Sequence[Attack]) -> list[str]:
    """Notes on equal answers that are no fault. Raises AuditInputError for those that are. Few patients have few halves, and
    pipelines that were given the same one may be equal."""
    first = np.unique(shadows.design.members, axis=0, return_index=True)[1]
    equal = {name: pairs for name, logits in shadows.logits.items() if (pairs := twins(logits[np.sort(first)]))}
    problems = [
        f"{name}: pipelines must differ in their answers, being given other members. Got equal ones: {pairs}. Train it in "
        "every run on what that run is given, or leave it out."
        for name, pairs in equal.items()
        if _trained(name, catalogue) and not _labels_only(shadows.logits[name])
    ]
    if problems:
        raise AuditInputError(*problems)
    return [f"{name}: equal in pipelines {pairs}; attacks that compare densities left out." for name, pairs in equal.items()]


def _trained(name: str, catalogue: Sequence[Attack]) -> bool:
    """Is it a trained model? A released set, and what an attack makes of it, may be the same in every run."""
    return named(name, catalogue) is None


def _fixed(logits: np.ndarray) -> bool:
    """Are the answers (runs, records, views, classes) of several runs all the same?"""
    return len(logits) > 1 and bool((logits == logits[:1]).all()) and not _labels_only(logits)


_FIXED: Final = (
    "{}: the same answers in every pipeline. It does not depend on who was a member, or was trained once and kept; not "
    "attacked, nothing is said about it."
)


def _labels_only(logits: np.ndarray) -> bool:
    """Are there no more different answers than classes in logits (runs, records, views, classes)?"""
    classes = logits.shape[-1]
    return all(len(np.unique(run.reshape(-1, classes), axis=0)) <= classes for run in logits)

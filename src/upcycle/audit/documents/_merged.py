"""One verdict from two audits of a run: its own, of the released student, and that of shadow pipelines of its recipe.

Each says LEAKS wrongly in as many audits as its own error, 1 - confidence, allows; the worse of both words would do so about
twice as often. The merged verdict has one error, divided before either audit is made (Bonferroni).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from upcycle.audit.pipeline_audit import LabelTest, PipelineRow, judge_pipeline
from upcycle.audit.pipelines import LOOK_SHARE
from upcycle.audit.verdict import Word

RULE: Final = (
    "INVALID where a control of either audit failed. LEAKS where the primary endpoint of the shadow pipelines, their other "
    "tests or the run's own audit show a leak at their share of the one error. NO LEAK FOUND where both audits say so, each by "
    "its own rule. INCONCLUSIVE otherwise."
)


_SEVERITY: Final = ("INVALID", "LEAKS", "INCONCLUSIVE", "NO LEAK FOUND")


_PRIMARY, _OTHERS, _OWN = 0.5, 0.25, 0.25  # of the error


_RUN, _PIPELINES = "the run's own audit", "the audit by shadow pipelines"


@dataclass(frozen=True)
class Side:
    """What one of the two audits says: alone, at an error of its own, and at its share of the common one."""

    name: str
    verdict: Word
    at_its_share: Word
    line: str
    sentence: str

    @property
    def demoted(self) -> bool:
        """Does it show a leak alone, but not at its share?"""
        return self.verdict != self.at_its_share


@dataclass(frozen=True)
class Merged:
    """The verdict on the student of both audits. `error`: how often at most LEAKS is said of a student that gives nothing away,
    both audits together; `shares`: how much of it each part of the evidence has."""

    verdict: Word
    line: str
    sentence: str
    rule: str
    error: float
    shares: Mapping[str, float]
    run: Side
    pipelines: Side

    def to_json(self) -> dict[str, Any]:
        """Plain data, free of anything about single records."""
        return asdict(self)


def merge_audits(run: Mapping[str, Any], pipelines: Mapping[str, Any]) -> Merged:
    """The merged verdict from `AuditResult.to_json()` of a run and `PipelineAudit.to_json()` of its shadow pipelines.

    The error is that of the pipelines' plan, of its last look where an early one was planned. Half of it stays with their
    primary endpoint, a quarter is that of their other tests (Holm), a quarter that of the run's own audit, whose p is
    adjusted over its attacks; their sum bounds the family-wise error however the audits depend on each other. NO LEAK FOUND
    needs both words, an intersection-union test (Berger 1982), which costs no correction. Raises KeyError or TypeError for
    JSON that is not of these two.
    """
    error = round(1 - float(pipelines["plan"]["confidence"]), 12)
    own, theirs = _run_side(run, error * _OWN), _pipelines_side(pipelines, error)
    shares = {
        "primary endpoint of the shadow pipelines": error * _PRIMARY,
        "other tests of the shadow pipelines": error * _OTHERS,
        "the run's own audit": error * _OWN,
    }
    word, line, sentence = _words((own, theirs))
    note = f"{_note(own, theirs, error)}{look_sentence(pipelines['plan'], error)}"
    return Merged(word, line, f"{sentence} {note}", RULE, error, shares, own, theirs)


def _run_side(audit: Mapping[str, Any], share: float) -> Side:
    head = _head(audit)
    shown = head["verdict"] == "LEAKS" and _smallest_p(audit, head["target"]) < share
    return _side(_RUN, head, shown)


def _pipelines_side(audit: Mapping[str, Any], error: float) -> Side:
    """Judged again with what is left of the error for the other tests; the primary endpoint keeps the limits it has."""
    head = _head(audit)
    rows = [PipelineRow(**{"epsilon_of": "one record", **row}) for row in audit["rows"]]  # younger fields, not judged here
    tests = [LabelTest(**{"answers": test["target"], **test}) for test in audit["permutation"]]
    again = judge_pipeline(rows, tests, (), 1 - 2 * _OTHERS * error) if head["verdict"] == "LEAKS" else ()
    return _side(_PIPELINES, head, any((v.target, v.verdict) == (head["target"], "LEAKS") for v in again))


def _side(name: str, head: Mapping[str, Any], shown: bool) -> Side:
    word: Word = head["verdict"]
    return Side(name, word, "INCONCLUSIVE" if word == "LEAKS" and not shown else word, head["line"], head["sentence"])


def _head(audit: Mapping[str, Any]) -> Mapping[str, Any]:
    """The verdict on the student, or on the first target where there is none."""
    verdicts: Sequence[Mapping[str, Any]] = audit["verdicts"]
    return next((found for found in verdicts if found["target"] == "student"), verdicts[0])


def _smallest_p(audit: Mapping[str, Any], target: str) -> float:
    """Smallest adjusted p of all tests on a target."""
    mine = [row for row in audit["rows"] if row["target"] == target]
    return float(min(p for row in mine for p in (row["p_holm"], row["tpr_p_holm"]) if p is not None))


def _words(sides: Sequence[Side]) -> tuple[Word, str, str]:
    """Verdict, line and sentence: those of the worse side, or what keeps a leak that shows in one audit alone open."""
    worse = min(sides, key=lambda side: _SEVERITY.index(side.at_its_share))
    alone = [side.name for side in sides if side.demoted]
    if worse.at_its_share != "INCONCLUSIVE" or not alone:
        return worse.at_its_share, worse.line, worse.sentence
    said = f"{' and '.join(alone)} alone {'says' if len(alone) == 1 else 'say'} LEAKS, but not at the share of the error"
    line = "INCONCLUSIVE, needs more records or a larger budget: one audit alone says LEAKS"
    return "INCONCLUSIVE", line, f"{said[0].upper()}{said[1:]} that two audits leave it: neither a leak shown nor none."


def _note(own: Side, theirs: Side, error: float) -> str:
    return (
        f"Two audits, one verdict: it says LEAKS wrongly in at most {100 * error:g} % of cases, half of which belong to the "
        f"primary endpoint of the shadow pipelines, a quarter to their other tests, a quarter to the run's own audit. Alone, "
        f"{own.name} says {own.verdict} and {theirs.name} says {theirs.verdict}."
    )


def look_sentence(plan: Mapping[str, Any], error: float) -> str:
    """What an early look adds: the errors of both looks together."""
    if not plan.get("look"):
        return ""
    whole = error / (LOOK_SHARE if plan["pipelines"] == plan["look"] else 1 - LOOK_SHARE)
    return f" An early look was planned: these shares are those of the last look; over both, at most {100 * whole:.3g} % err."

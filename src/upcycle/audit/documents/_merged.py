"""One verdict from two audits of a run: its own, of the released student, and that of shadow pipelines of its recipe.

Each says LEAKS wrongly in as many audits as its own error, 1 - confidence, allows; the worse of both words would do so about
twice as often. The merged verdict has one error, divided before either audit is made (Bonferroni): `Rule.run` of it belongs to
the run's own audit. Each audit has adjusted its p-values over its own tests, so a share of the error is a lower level for them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from upcycle._arguments import typed
from upcycle.audit.documents._document import read
from upcycle.audit.pipelines import LOOK_SHARE, AuditPlan
from upcycle.audit.verdict import Rule, Verdict, Word, headline

RULE: Final = (
    "INVALID where a control of either audit failed. LEAKS where the tests of the shadow pipelines or of the run's own audit "
    "show a leak at their share of the one error. NO LEAK FOUND where both audits say so. INCONCLUSIVE otherwise."
)
_SEVERITY: Final = ("INVALID", "LEAKS", "INCONCLUSIVE", "NO LEAK FOUND")
_RUN, _PIPELINES = "the run's own audit", "the audit by shadow pipelines"


@dataclass(frozen=True)
class Side:
    """What one of the two audits says: alone, with its own error rate, and at its share of the common one."""

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
    """The verdict on the student of both audits.

    Attributes:
        verdict: the word.
        line: the word, and what the audits could have seen or still need.
        sentence: why.
        rule: how the two become one.
        error: the largest rate of LEAKS for a student that reveals nothing, both audits together.
        shares: how much of the error each audit has.
        run: what the run's own audit says.
        pipelines: what the audit by shadow pipelines says.
    """

    verdict: Word
    line: str
    sentence: str
    rule: str
    error: float
    shares: dict[str, float]
    run: Side
    pipelines: Side

    def to_json(self) -> dict[str, Any]:
        """Plain data, free of anything about single records."""
        return asdict(self)


@dataclass(frozen=True)
class PlannedLooks:
    """What a plan says of its error: the level of its intervals, its pipelines, and where it looks early."""

    confidence: float
    pipelines: int = 1
    look: int = 0


@dataclass(frozen=True)
class Judgement:
    """What two audits are joined by: their verdicts and plans, whatever else a document holds."""

    verdicts: list[Verdict]
    plan: PlannedLooks


@typed()
def merge_audits(run: Mapping[str, Any], pipelines: Mapping[str, Any]) -> Merged:
    """The merged verdict from `AuditResult.to_json()` of a run and `PipelineAudit.to_json()` of its shadow pipelines.

    The error is that of the pipelines' plan, of its last look where an early one was planned. The shares' sum bounds the
    family-wise error however the audits depend on each other. NO LEAK FOUND needs both words, an intersection-union test
    (Berger 1982), which costs no correction. Released documents have all that
    it takes. Raises pydantic.ValidationError for JSON that is not of these two.
    """
    return _merge(read(Judgement, run), read(Judgement, pipelines))


def _merge(run: Judgement, pipelines: Judgement) -> Merged:
    error = round(1 - pipelines.plan.confidence, 12)
    rule = Rule(1 - error)
    sides = (
        _side(_RUN, headline(run.verdicts), rule.level * rule.run),
        _side(_PIPELINES, headline(pipelines.verdicts), rule.level * (1 - rule.run)),
    )
    shares = {"the shadow pipelines": error * (1 - rule.run), "the run's own audit": error * rule.run}
    word, line, sentence = _words(sides)
    note = f"{_note(*sides, error, rule)}{look_sentence(pipelines.plan, error)}"
    return Merged(word, line, f"{sentence} {note}", RULE, error, shares, *sides)


def _side(name: str, head: Verdict, level: float) -> Side:
    demoted = head.verdict == "LEAKS" and head.p >= level
    return Side(name, head.verdict, "INCONCLUSIVE" if demoted else head.verdict, head.line, head.sentence)


def _words(sides: Sequence[Side]) -> tuple[Word, str, str]:
    """Verdict, line and sentence: those of the worse side, or what keeps a leak that shows in one audit alone open."""
    worse = min(sides, key=lambda side: _SEVERITY.index(side.at_its_share))
    alone = [side.name for side in sides if side.demoted]
    if worse.at_its_share != "INCONCLUSIVE" or not alone:
        return worse.at_its_share, worse.line, worse.sentence
    said = f"{' and '.join(alone)} alone {'says' if len(alone) == 1 else 'say'} LEAKS, but not at the share of the error"
    line = "INCONCLUSIVE, needs more records or a larger budget: one audit alone says LEAKS"
    return "INCONCLUSIVE", line, f"{said[0].upper()}{said[1:]} that two audits leave it: neither a leak shown nor none."


def _note(own: Side, theirs: Side, error: float, rule: Rule) -> str:
    return (
        f"Two audits, one verdict: it says LEAKS wrongly in at most {100 * error:g} % of cases, {1 - rule.run:.0%} of which "
        f"belong to the shadow pipelines and {rule.run:.0%} to the run's own audit. Alone, {own.name} says {own.verdict} and "
        f"{theirs.name} says {theirs.verdict}."
    )


def look_sentence(plan: PlannedLooks | AuditPlan, error: float) -> str:
    """What an early look of a plan adds: the errors of both looks together."""
    if not plan.look:
        return ""
    whole = error / (LOOK_SHARE if plan.pipelines == plan.look else 1 - LOOK_SHARE)
    return f" An early look was planned: these shares are those of the last look; over both, at most {100 * whole:.3g} % err."

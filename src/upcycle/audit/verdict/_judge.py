"""The one judge: from the evidence on a part to one of four words, and a sentence that carries the power of the audit.

INVALID: a control that must hold did not, or scores from elsewhere tell members the wrong way round. LEAKS: an adjusted p is
below the level of the rule. NO LEAK FOUND: the primary endpoint's upper limit is below its margin, nothing speaks against it,
and the same endpoint was seen above the margin on the positive control. INCONCLUSIVE: everything else.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from upcycle.audit.statistics import NotResolvable, Rate, lower_limit, records_for_margin, records_needed
from upcycle.audit.verdict._part import Part
from upcycle.audit.verdict._row import Control, ExactTest, Row
from upcycle.audit.verdict._rows import is_kin
from upcycle.audit.verdict._rule import CHANCE, Endpoint, Rule, Statistic
from upcycle.audit.verdict._word import Verdict, Word


@dataclass(frozen=True)
class Evidence:
    """All that a verdict on one part rests on.

    Attributes:
        part: what is judged.
        rows: its rows, p-values adjusted.
        tests: its other tests with their adjusted p.
        endpoint: declared beforehand.
        control: the primary row of the positive control, None where there is none.
        scope: what the audit speaks of, and of what not.
        given: were the scores made elsewhere.
        several: do the scores come of several pipelines.
        refused: why it could not be attacked, or "".
    """

    part: Part
    rows: tuple[Row, ...]
    tests: tuple[tuple[ExactTest, float], ...]
    endpoint: Endpoint
    control: Row | None
    scope: str = ""
    given: bool = False
    several: bool = False
    refused: str = ""

    @property
    def primary(self) -> Row | None:
        """The row that the endpoint is read from."""
        return next((row for row in self.rows if row.primary), None)

    @property
    def count(self) -> int:
        """How many tests share the error."""
        return len(self.tests) + sum(1 + (row.tpr_p_holm is not None) for row in self.rows)

    @property
    def smallest(self) -> float:
        """The smallest adjusted p; 1 where there is no test."""
        rows = [p for row in self.rows for p in (row.p_holm, row.tpr_p_holm) if p is not None]
        return min([*rows, *(p for _, p in self.tests)], default=1.0)


def judge(e: Evidence, controls: Sequence[Control], rule: Rule) -> Verdict:
    """The verdict on one part."""
    failed = [control for control in controls if control.failed]
    if failed:
        return _verdict(e, "INVALID", f"INVALID: {len(failed)} control(s) failed", f"{_broken(failed)} {e.scope}")
    if e.refused and e.smallest >= rule.level:
        return _verdict(e, "INCONCLUSIVE", "INCONCLUSIVE, could not be attacked", e.refused)
    power = f"{_power(e)} {e.scope}"
    if e.smallest < rule.level:
        return _verdict(e, "LEAKS", "LEAKS", f"{_leak(e)} {power}")
    if e.given and (row := _reversed(e.rows, rule.control_error)):
        return _verdict(e, "INVALID", "INVALID: members are told the wrong way round", f"{_turned(row)} {e.scope}")
    reasons = list(_reasons(e, rule))
    primary = e.primary
    if not reasons and primary is not None:
        seen = f"NO LEAK FOUND, could have seen {e.endpoint.statistic} >= {_seen(e, primary):.3f}"
        return _verdict(e, "NO LEAK FOUND", seen, f"{_clean(e, primary, rule)} {power}")
    needs = " and ".join(dict.fromkeys(need for need, _ in reasons))
    why = ", and ".join(text for _, text in reasons)
    start = "" if primary is None else f"{_first_upper(_figure(primary, e.endpoint))}; {_smallest(e, rule)}. "
    return _verdict(e, "INCONCLUSIVE", f"INCONCLUSIVE, needs {needs}", f"{start}Inconclusive because {why}. {power}")


def _verdict(e: Evidence, word: Word, line: str, sentence: str) -> Verdict:
    return Verdict(e.part.name, e.part.role, word, line, sentence.strip(), e.smallest)


def _reasons(e: Evidence, rule: Rule) -> Iterator[tuple[str, str]]:
    """What NO LEAK FOUND lacks, in few words and in more."""
    primary = e.primary
    if primary is None:
        yield "a student as its witness", "this part has no primary endpoint that could clear it"
        return
    found = primary.statistic(e.endpoint.statistic)
    if not _clear(found, e.endpoint):
        yield _for_limit(e, primary, rule)
    if row := _reversed(e.rows, rule.error / 2):
        yield "scores the right way round", _turned(row)
    for row, name in _against(e, primary, rule):
        rate = row.statistic(name)
        text = f"{row.attack} gave {name} {rate} on {row.population} records, whose lower limit is above chance"
        yield "more records or pipelines", text
        break
    if not _shown(e.control, e.endpoint, rule):
        yield _for_control(e, rule)


def _clear(found: Rate | NotResolvable, endpoint: Endpoint) -> bool:
    """Is the upper limit below the margin, and would it be so at an AUC of 0.5? Luck below chance must not clear what an
    estimate at chance would leave open."""
    if isinstance(found, NotResolvable) or found.high >= endpoint.margin:
        return False
    return endpoint.statistic != "AUC" or 0.5 + (found.high - found.value) < endpoint.margin or found.value >= 0.5


def _shown(control: Row | None, endpoint: Endpoint, rule: Rule) -> bool:
    """Was the positive control seen to leak by more than the margin? By its lower limit; or, where the non-members that are
    independent are too few to lift one, by a certain leak whose rate over the distinct records is above it."""
    found = None if control is None else control.statistic(endpoint.statistic)
    if control is None or not isinstance(found, Rate):
        return False
    if found.low > endpoint.margin:
        return True
    if endpoint.statistic == "AUC" or control.p_holm >= rule.level:
        return False
    return lower_limit(found.value * control.units, control.units, rule.error / 2) > endpoint.margin


def _reversed(rows: Sequence[Row], error: float) -> Row | None:
    """The row whose AUC is farthest below chance, where that is no luck over all rows."""
    worst = min(rows, key=lambda row: row.p_below, default=None)
    return worst if worst is not None and worst.p_below * len(rows) < error else None


def _against(e: Evidence, primary: Row, rule: Rule) -> Iterator[tuple[Row, Statistic]]:
    """Figures of the primary attack whose lower limits lie above chance although they share one error."""
    kin = [row for row in e.rows if is_kin(row, primary)]
    count = sum(1 + (row.tpr_p_value is not None) for row in kin)
    for row in kin:
        if row.p_value * count < rule.error / 2:
            yield row, "AUC"
        if row.tpr_p_value is not None and row.tpr_p_value * count < rule.error / 2:
            yield row, "TPR@1%FPR"


def _seen(e: Evidence, primary: Row) -> float:
    return max(primary.detectable or 1.0, CHANCE[e.endpoint.statistic])


def _figure(row: Row, endpoint: Endpoint) -> str:
    found = row.statistic(endpoint.statistic)
    where = "" if row.population == "clean" else f" on {row.population} records"
    if isinstance(found, NotResolvable):
        return f"the primary {row.attack} gave AUC {row.auc}{where} ({endpoint.statistic} {found})"
    return f"the primary {row.attack} gave {endpoint.statistic} {found}{where}"


def _first_upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _leak(e: Evidence) -> str:
    """The surest finding, and the primary figure."""
    findings = [(p, -rate.value, row, name) for row in e.rows for name, p, rate in _tested(row)]
    best = min(findings, key=lambda found: found[:2], default=None)
    test = min(e.tests, key=lambda pair: pair[1], default=None)
    if test is not None and (best is None or test[1] < best[0]):
        return f"Membership shows: {test[0].finding} (Holm-adjusted {_p(test[1])} over {e.count} tests)."
    assert best is not None  # LEAKS is said of a test
    p, _, row, name = best
    first = f"{row.attack} on {row.population} records ({row.threat_model}) reached {name} {row.statistic(name)}"
    more = "" if e.primary is None or row.primary else f"; {_figure(e.primary, e.endpoint)}"
    return f"Membership shows: {first} (Holm-adjusted {_p(p)} over {e.count} tests){more}."


def _tested(row: Row) -> Iterator[tuple[Statistic, float, Rate]]:
    """Every statistic of a row that was tested, its adjusted p, and its value."""
    yield "AUC", row.p_holm, row.auc
    if row.tpr_p_holm is not None and isinstance(row.tpr_at_1pct, Rate):
        yield "TPR@1%FPR", row.tpr_p_holm, row.tpr_at_1pct


def _clean(e: Evidence, primary: Row, rule: Rule) -> str:
    return (
        f"{_first_upper(_figure(primary, e.endpoint))} ({rule.confidence:.0%} interval), below the margin of "
        f"{e.endpoint.margin}; none of {e.count} tests showed a leak ({_smallest(e, rule)})."
    )


def _smallest(e: Evidence, rule: Rule) -> str:
    return f"smallest Holm-adjusted {_p(e.smallest)}, LEAKS needs less than {rule.level:.2g}"


def _for_limit(e: Evidence, primary: Row, rule: Rule) -> tuple[str, str]:
    """What brings the upper limit below the margin."""
    found, endpoint = primary.statistic(e.endpoint.statistic), e.endpoint
    if isinstance(found, NotResolvable):
        needs = str(found).removeprefix("needs ")
        return needs, f"the {endpoint.statistic} cannot be resolved: it needs {needs}"
    needs = "more pipelines or canaries" if e.several else _records(found, primary, endpoint, rule)
    return needs, f"the upper limit is not below the margin of {endpoint.margin}: it needs {needs}"


def _records(found: Rate, primary: Row, endpoint: Endpoint, rule: Rule) -> str:
    tpr = endpoint.statistic != "AUC"
    ideal = (
        records_for_margin(endpoint.margin, endpoint.chance, rule.confidence)
        if tpr
        else records_needed(endpoint.margin - endpoint.chance, rule.confidence)
    )
    assert ideal is not None  # the margin lies above chance
    kind = "records" if primary.units == min(primary.n_members, primary.n_non_members) else "groups"
    if primary.units < ideal:
        return f"about {ideal} members and {ideal} non-members, counted in {kind} (now {primary.units} on the smaller side)"
    if tpr or found.value >= endpoint.margin:
        return "a model that gives less away: at this estimate no number of records brings the limit below the margin"
    return f"about {records_needed(endpoint.margin - found.value, rule.confidence)} {kind} on each side at this AUC"


def _for_control(e: Evidence, rule: Rule) -> tuple[str, str]:
    """What the positive control lacks."""
    if e.control is None:
        return "a teacher", "no teacher was given as the positive control, so the audit has not shown that it sees a leak"
    found, name = e.control.statistic(e.endpoint.statistic), e.endpoint.statistic
    start = f"the audit did not see the {e.control.part} leak by more than the margin ({name} {found})"
    if isinstance(found, NotResolvable):
        return str(found).removeprefix("needs "), start
    if e.control.p_below < rule.error / 2:
        return f"the {e.control.part}'s scores the right way round", f"{start}: {_turned(e.control)}"
    if found.value <= e.endpoint.margin:
        needs = "a stronger attack or canaries"
        return needs, f"{start}, and at that estimate no number of records would show one: it needs {needs}"
    if e.several or name != "AUC":
        needs = "more pipelines or canaries" if e.several else "more records"
        return needs, f"{start}: {needs} are needed to show it"
    number = records_needed(found.value - e.endpoint.margin, rule.confidence)
    more = f"about {number} records on each side for the {e.control.part}"
    return more, f"{start}: it needs {more}"


def _power(e: Evidence) -> str:
    """What the audit could have seen."""
    if e.control is None:
        seen = "it had no teacher to be tried on"
    else:
        found = e.control.statistic(e.endpoint.statistic)
        figure = f"AUC {e.control.auc}" if isinstance(found, NotResolvable) else f"{e.endpoint.statistic} {found}"
        seen = f"the same audit saw {figure} on the {e.control.part}"
    if e.primary is None or e.primary.detectable is None:
        return f"Power: {seen}."
    pairs = "pairs of a record and a pipeline" if e.several else "records"
    return (
        f"Power: {seen}; with {e.primary.n_members} members and {e.primary.n_non_members} non-members ({pairs}) it finds an "
        f"attack of {e.endpoint.statistic} {e.primary.detectable:.3f} or more in 80 % of audits."
    )


def _turned(row: Row) -> str:
    return (
        f"{row.attack} tells members of the {row.part} the wrong way round (AUC {row.auc}): the scores are negated, the flags "
        "are inverted, or members are made to look unlike members. Turn the scores or flags and audit again."
    )


def _broken(failed: Sequence[Control]) -> str:
    named = "; ".join(f"{c.control} ({c.target}, {c.attack}) gave AUC {c.auc}" for c in failed[:3])
    more = f" and {len(failed) - 3} more" if len(failed) > 3 else ""
    wanted = " and ".join(sorted({c.wanted.value for c in failed}))
    return (
        f"{len(failed)} control(s) failed, which {wanted}: {named}{more}. Members and non-members differ without any model, "
        "the records are not independent, or an attack is blind. No figure of this audit may be believed: draw membership by "
        "coin flip inside one pool, per group, and audit again."
    )


def _p(value: float) -> str:
    return "p < 1e-12" if value < 1e-12 else f"p = {value:.2g}"

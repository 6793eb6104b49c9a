"""From rows, tests and controls of a pipeline audit to one word per target and the sentence that carries its power."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from upcycle.audit.pipeline_audit._controls import failed
from upcycle.audit.pipeline_audit._label_test import LabelTest
from upcycle.audit.pipeline_audit._result import AUC_MARGIN, TPR_MARGIN, PipelineRow
from upcycle.audit.statistics import FPR
from upcycle.audit.verdict import Control, Verdict


def judge_pipeline(
    rows: Sequence[PipelineRow],
    tests: Sequence[LabelTest],
    controls: Sequence[Control],
    confidence: float,
    refused: Mapping[str, str] = MappingProxyType({}),
) -> tuple[Verdict, ...]:
    """A verdict for every target among the rows, and for those `refused` by name, with the reason.

    INVALID: a control failed. LEAKS: half of the error 1 - confidence is spent on the primary endpoint (lower limit of the
    canaries' TPR at 1 %, or of the AUC where there are no canaries), half on all rows and permutation tests of the target by
    Holm's method. NO LEAK FOUND: the primary endpoint's upper limit is below its margin (TPR_MARGIN, AUC_MARGIN), and the
    same attack on the teacher has its lower limit above it. INCONCLUSIVE: everything else,
    and what was refused.
    """
    broken = failed(controls)
    teacher = _primary(rows, "teacher")
    verdicts = []
    for target in dict.fromkeys(row.target for row in rows):
        mine = [row for row in rows if row.target == target]
        own = [test for test in tests if test.target == target]
        primary = _primary(rows, target)
        if broken:
            verdicts.append(Verdict(target, "INVALID", _broken(broken), f"INVALID: {len(broken)} control(s) failed"))
        elif leak := _leak(mine, primary, own, (1 - confidence) / 2):
            verdicts.append(Verdict(target, "LEAKS", f"{leak} {_power(teacher)}", "LEAKS"))
        elif primary is not None and teacher is not None and _clear(primary, teacher):
            seen = f"NO LEAK FOUND, could have seen >= {_margin(primary)}"
            verdicts.append(
                Verdict(target, "NO LEAK FOUND", f"{_endpoint(primary)}, below the margin. {_power(teacher)}", seen)
            )
        else:
            line = f"INCONCLUSIVE, needs {_needs(primary, teacher)}"
            verdicts.append(Verdict(target, "INCONCLUSIVE", f"{_open(primary, teacher)} {_power(teacher)}", line))
    return (*verdicts, *(_refused(target, reason, broken) for target, reason in refused.items()))


def _refused(target: str, reason: str, broken: Sequence[Control]) -> Verdict:
    if broken:
        return Verdict(target, "INVALID", _broken(broken), f"INVALID: {len(broken)} control(s) failed")
    return Verdict(target, "INCONCLUSIVE", reason, "INCONCLUSIVE, could not be attacked")


def _primary(rows: Sequence[PipelineRow], target: str) -> PipelineRow | None:
    return next((row for row in rows if row.target == target and row.primary), None)


def _leak(rows: Sequence[PipelineRow], primary: PipelineRow | None, tests: Sequence[LabelTest], error: float) -> str:
    """What shows a leak, or "": the primary endpoint, else what is least likely by luck among all rows and tests."""
    if primary is not None and _above_chance(primary):
        return f"Membership shows: {_endpoint(primary)}."
    family: list[PipelineRow | LabelTest] = [*rows, *tests]
    best = min(family, key=lambda found: found.p_value)
    if best.p_value * len(family) >= error:
        return ""
    return f"Membership shows: {_tested(best) if isinstance(best, LabelTest) else _ranked(best)}."


def _ranked(row: PipelineRow) -> str:
    where = f"{row.attack} on {row.population} records ({row.threat_model})"
    return f"{where} reached AUC {row.auc:.3f} [{row.auc_low:.3f}, {row.auc_high:.3f}]"


def _tested(test: LabelTest) -> str:
    where = "" if test.answers == test.target else f" in the answers of the {test.answers}"
    return (
        f"{test.ranked_first:.0%} of {test.canaries} canaries have their wrong label first among wrong ones{where} "
        f"({test.chance:.0%} by luck; exact p = {test.p_value:.2g})"
    )


def _above_chance(primary: PipelineRow) -> bool:
    """Is the lower limit of the primary endpoint above what luck gives?"""
    return primary.auc_low > 0.5 if primary.population == "clean" else (primary.tpr_at_1pct_low or 0.0) > FPR


def _clear(primary: PipelineRow, teacher: PipelineRow) -> bool:
    if primary.population == "clean":
        return primary.auc_high < AUC_MARGIN < teacher.auc_low
    if primary.tpr_at_1pct_high is None or teacher.tpr_at_1pct_low is None:
        return False
    return primary.tpr_at_1pct_high < TPR_MARGIN < teacher.tpr_at_1pct_low


def _margin(primary: PipelineRow) -> str:
    return f"AUC {AUC_MARGIN}" if primary.population == "clean" else f"{TPR_MARGIN:.0%} of canaries at 1 % false positives"


def _needs(primary: PipelineRow | None, teacher: PipelineRow | None) -> str:
    """What an open verdict lacks."""
    if primary is None:
        return "a student as its witness"
    if primary.population != "clean" and primary.tpr_at_1pct is None:
        return str(primary.tpr_at_1pct_note).removeprefix("needs ")
    return "a teacher" if teacher is None else "more pipelines or canaries"


def _endpoint(row: PipelineRow) -> str:
    if row.population == "clean":
        return f"{row.attack} gave AUC {row.auc:.3f} [{row.auc_low:.3f}, {row.auc_high:.3f}] on clean records"
    if row.tpr_at_1pct is None:
        return f"{row.attack} gave AUC {row.auc:.3f} [{row.auc_low:.3f}, {row.auc_high:.3f}] on canaries"
    found = f"{row.tpr_at_1pct:.3f} [{row.tpr_at_1pct_low:.3f}, {row.tpr_at_1pct_high:.3f}]"
    return f"{row.attack} found {found} of the canaries at 1 % false positives"


def _open(primary: PipelineRow | None, teacher: PipelineRow | None) -> str:
    if primary is None:
        return "Nothing was found, and this part has no primary endpoint that could clear it."
    if primary.population != "clean" and primary.tpr_at_1pct is None:
        return f"{_endpoint(primary)}; the TPR at 1 % {primary.tpr_at_1pct_note}: take a larger budget."
    if teacher is None:
        return f"{_endpoint(primary)}, and no teacher was there to show what the audit can see."
    return (
        f"{_endpoint(primary)}: neither above chance nor below the margin, or the teacher was not seen. Take a larger budget."
    )


def _power(teacher: PipelineRow | None) -> str:
    return "Power: unknown, no teacher was attacked." if teacher is None else f"Power: on the teacher {_endpoint(teacher)}."


def _broken(controls: Sequence[Control]) -> str:
    named = "; ".join(
        f"{c.control} ({c.target}, {c.attack}) gave AUC {c.auc:.3f} [{c.auc_low:.3f}, {c.auc_high:.3f}]" for c in controls[:3]
    )
    return (
        f"{len(controls)} control(s) failed: {named}. No figure of this audit may be believed; mend the cause and audit again."
    )

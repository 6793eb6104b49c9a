"""The gate: what the audit says decides whether anything leaves."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from upcycle.errors import ReleaseError
from upcycle.release._budget import Budget

MISSING: Final = "MISSING"
_MAY_LEAVE: Final = ("NO LEAK FOUND", "INCONCLUSIVE")  # any other word, also one that a later version invents, is refused
_MEANING: Final = {
    "NO LEAK FOUND": "The audit found no leak of average records. It did not look at the most exposed ones.",
    "INCONCLUSIVE": "The audit could not tell whether this student leaks. Treat it as unaudited.",
    "LEAKS": "The audit found that this student leaks who was in its training data.",
    "INVALID": "A control of the audit failed, so it says nothing about this student.",
    MISSING: "No audit was made of this student.",
}


@dataclass(frozen=True)
class Permit:
    """That a release may leave: the verdict it leaves with, what that means, and the risk that somebody took, if any."""

    verdict: str
    meaning: str
    sentence: str
    accepted_risk: str | None = None


def refusal(audit: Mapping[str, Any] | None, budget: Budget | None = None) -> str | None:
    """Why nothing may leave, a line for each reason; None where it may. INCONCLUSIVE may leave: the cards say it first.

    Of two audits neither may say no, even alone: that a second one was made never opens the gate. Nor may a limit of the
    `budget` be exceeded, or not measured.
    """
    reasons = [*filter(None, [_refused_word(audit)]), *(budget.exceeded(audit) if budget else ())]
    return "\n".join(reasons) or None


def _refused_word(audit: Mapping[str, Any] | None) -> str | None:
    words = _words(audit)
    held = next((word for word in words if word not in _MAY_LEAVE), None)
    if held is None:
        return None
    found = "none" if held == MISSING else held if held == words[0] else f"{held} by one of its two parts alone"
    first = "Run `upcycle audit`" if held == MISSING else "Read the internal report"
    return (
        f"audit must end in {' or '.join(_MAY_LEAVE)} before anything leaves. Got {found}. "
        f'{first}, or give --accept-risk "reason", which the cards will show.'
    )


def _words(audit: Mapping[str, Any] | None) -> list[str]:
    """The verdict, then what each of two merged audits says alone, where there are two."""
    parts = [audit["merged"][side] for side in ("run", "pipelines")] if audit is not None and "merged" in audit else []
    return [str(found.get("verdict", MISSING)) for found in (audit or {}, *parts)]


def meaning_of(verdict: str) -> str:
    """A verdict as a sentence."""
    return _MEANING.get(verdict, "This verdict is not known to this version.")


def permit(audit: Mapping[str, Any] | None, accept_risk: str | None, budget: Budget | None = None) -> Permit:
    """The permit to release. Raises ReleaseError if the audit or the budget says no and no one accepted the risk."""
    reason = refusal(audit, budget)
    if reason is not None and accept_risk is None:
        raise ReleaseError(*reason.splitlines())
    verdict = _words(audit)[0]
    risk = None if accept_risk is None else " ".join(accept_risk.split())
    return Permit(verdict, meaning_of(verdict), "" if audit is None else str(audit.get("sentence", "")), risk)


def public_record(audit: Mapping[str, Any] | None, given: Permit, judged: Mapping[str, str]) -> dict[str, Any]:
    """The audit.json of a release: the aggregates, the hashes of what was judged, and the risk that was accepted."""
    record = dict(audit) if audit is not None else {"verdict": given.verdict, "sentence": given.meaning}
    record |= {"judged": dict(judged)} if judged else {}
    return record if given.accepted_risk is None else {**record, "accepted_risk": given.accepted_risk}

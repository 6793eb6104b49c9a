"""The dossier of a release: one page for whoever signs it, made only from the public half of its audits."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from upcycle.report._audit_json import attack_rows
from upcycle.report._leak_table import leak_table
from upcycle.report._page import page
from upcycle.report._pipeline_page import worst_table
from upcycle.report._summary import confidence, percent, verdict
from upcycle.report._untested import no_patients, untested
from upcycle.report._words import Words, words

_LEAVES: Final = ("student", "synthetic set", "distilled generator")
_NO_PROOF: Final = "None: no differential privacy."


@dataclass(frozen=True)
class Decision:
    """What the gate says: may it leave, the reasons against it, the budget in force, and the risk that somebody accepted."""

    may_leave: bool
    reasons: tuple[str, ...] = ()
    budget: tuple[tuple[str, str], ...] = ()
    accepted_risk: str = ""

    def word(self, verdict: str) -> str:
        """The answer to "may it leave", after an audit with this verdict."""
        if not self.may_leave:
            return "No"
        if self.accepted_risk:
            return "Only at a risk that somebody accepted"
        return "Yes, if you sign" if verdict == "NO LEAK FOUND" else "Undecided: the gate lets it, the audit could not tell"


def render_dossier(
    audit: Mapping[str, Any] | None,
    decision: Decision,
    hashes: Mapping[str, str],
    *,
    copies: Mapping[str, Any] | None = None,
    guarantee: str = _NO_PROOF,
) -> str:
    """HTML text of the page: offline, without a script, printing to A4. `audit`: the public facts of a run's audits; `hashes`:
    SHA-256 of every released file; `guarantee`: what differential privacy proves of the release, in a sentence."""
    found = audit or {}
    pipelines = found.get("pipelines") or None
    rows = [*attack_rows(found), *attack_rows(pipelines)]
    said = words(found, pipelines, "RUN") if found else Words("no audit was made.", "nothing.", "upcycle audit RUN.")
    return page(
        "dossier.html.j2",
        verdict=verdict(audit),
        decision=decision,
        answer=decision.word(str(found.get("verdict"))),
        said=said,
        untested=untested(rows, pipelines, copies),
        no_patients=no_patients(pipelines),
        who=_who(pipelines),
        level=percent(confidence(audit)),
        tables=[table for table in (leak_table(pipelines), leak_table(found)) if table.parts],
        networks=str((pipelines or {}).get("networks", "")),
        owned=leak_table(pipelines, owned=True),
        worst=worst_table(pipelines or {}),
        residual=_residual(found, pipelines, said, copies, guarantee),
        copies=copies or {},
        hashes=sorted(hashes.items()),
        endpoint=str((pipelines or found).get("primary_endpoint", "")),
        pipelines=((pipelines or {}).get("plan") or {}).get("pipelines"),
    )


def _who(pipelines: Mapping[str, Any] | None) -> str:
    if pipelines is None:
        return "whoever has a record and the student's answers (only average records were tried)"
    return "whoever has a record and the released files"


def _residual(
    audit: Mapping[str, Any],
    pipelines: Mapping[str, Any] | None,
    said: Words,
    copies: Mapping[str, Any] | None,
    guarantee: str,
) -> tuple[tuple[str, str, str], ...]:
    """What remains, in the terms of those who ask: who, what, and what this release shows."""
    rows = [*attack_rows(pipelines), *attack_rows(audit)]
    bounds = [row.epsilon for row in rows if row.target in _LEAVES and row.epsilon is not None]
    epsilon = f"at least {max(bounds):.2f} by the attacks that were run" if bounds else "no lower bound was measured"
    copied = (
        "not looked for" if not copies else f"{copies.get('identical', 0)} byte-identical of {copies.get('images', 0)} images"
    )
    extraction = f"Copies in the synthetic images: {copied}. Extraction from the weights: not tested."
    singled = f"{said.why[:1].upper()}{said.why[1:]}"
    board = "EDPB Opinion 28/2024"
    return (
        (board, "singling out, by membership inference", singled),
        (board, "linkability", "Not tested: it needs the data that an attacker would link with."),
        (board, "inference of attributes", "Not tested. What a student predicts, it predicts of members too."),
        (board, "regurgitation, inversion, reconstruction", extraction),
        ("EHDS, Regulation (EU) 2025/327", "only anonymous results leave the secure environment", _anonymous(audit)),
        ("NIST SP 800-226", "guarantee, and its unit", f"{guarantee} Epsilon is {epsilon}."),
    )


def _anonymous(audit: Mapping[str, Any]) -> str:
    word = str(audit.get("verdict", "NOT AUDITED"))
    if word == "NO LEAK FOUND":
        return "Evidence for anonymity within the limits above; the body that grants access decides."
    return f"The audit says {word}: this page is no evidence that the release is anonymous."

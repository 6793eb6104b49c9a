"""The dossier of a release, for whoever decides whether it may leave."""

from pathlib import Path

from upcycle._files import sha256, write_text
from upcycle.release import DOSSIER, SUMS, Budget, refusal, replace_files
from upcycle.report import Decision, render_dossier
from upcycle.runs.folder import public_facts
from upcycle.runs.stages._bench import Bench
from upcycle.runs.stages._unproven import run_ledger


def write_dossier(bench: Bench, budget: Budget, accepted_risk: str | None) -> Path:
    """The page in the release, with the hashes of its other files; in the private half where nothing may leave."""
    audit, copies = public_facts(bench.folder.private)
    reason = refusal(audit, budget)
    may_leave = reason is None or accepted_risk is not None
    limits = {name: budget.limit(name) for name in ("tpr_at_1pct", "per_record", "patients")}
    allowed = tuple((f"gate.{name}", f"{100 * limit:.1f} %") for name, limit in limits.items() if limit is not None)
    decision = Decision(may_leave, tuple((reason or "").splitlines()), allowed, accepted_risk or "")
    proven = run_ledger(bench.config).said()
    if not may_leave:
        path = bench.folder.private / DOSSIER
        write_text(path, render_dossier(audit, decision, {}, copies=copies, guarantee=proven))
        return path
    release = bench.folder.release
    files = [path for path in sorted(release.rglob("*")) if path.is_file() and path.name not in (SUMS, DOSSIER)]
    hashes = {path.relative_to(release).as_posix(): sha256(path) for path in files}
    page = render_dossier(audit, decision, hashes, copies=copies, guarantee=proven)
    replace_files(release, {DOSSIER: page.encode()})
    return release / DOSSIER

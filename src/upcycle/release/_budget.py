"""The budget of a release: how much an officer lets it reveal, by upper limits of what the audit measured."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from upcycle.config import GateConfig

SMALL: Final = 500  # records or patients below which a budget is tightened
_GUESSING: Final = {"tpr_at_1pct": 0.01, "per_record": 0.5, "patients": 0.01}
_WHAT: Final = {
    "tpr_at_1pct": "the share of used records that an attack finds at one false alarm in a hundred",
    "per_record": "the rate at which membership of the worst record is told",
    "patients": "the share of used patients that an attack finds at one false alarm in a hundred",
}
_MORE: Final = {
    "tpr_at_1pct": "Run upcycle audit RUN --budget standard, or full",
    "per_record": "Run upcycle audit RUN --budget full: more pairs of pipelines lower it",
    "patients": "Give patients with --groups and run upcycle audit RUN --budget standard",
}
_OF_PATIENTS: Final = ("patient", "canary, patient patch")


@dataclass(frozen=True)
class Budget:
    """What an officer allows (`gate`), and how many independent `people` (records or patients, `counted_in`) were learned from.

    Of fewer than SMALL the excess over guessing shrinks with their number: each of them is a larger part of the whole, and
    whoever looks for one of few starts with a better guess.
    """

    gate: GateConfig
    people: int
    counted_in: str = "records"

    def limit(self, name: str) -> float | None:
        """The limit in force; None where none was set."""
        allowed = getattr(self.gate, name)
        if allowed is None:
            return None
        return float(_GUESSING[name] + (allowed - _GUESSING[name]) * min(1.0, self.people / SMALL))

    def exceeded(self, audit: Mapping[str, Any] | None) -> list[str]:
        """A line for every limit that the audit does not show to be kept."""
        return [line for name in _WHAT for line in self._exceeded(name, audit or {})]

    def _exceeded(self, name: str, audit: Mapping[str, Any]) -> Iterator[str]:
        limit = self.limit(name)
        if limit is None:
            return
        found = max(measured(name, audit), default=None, key=lambda pair: pair[0])
        if found is not None and found[0] <= limit:
            return
        got = "no such measurement" if found is None else f"an upper limit of {100 * found[0]:.1f} % ({found[1]})"
        allowed = float(getattr(self.gate, name))
        tighter = f", tightened from {100 * allowed:g} % for {self.people} {self.counted_in}" if self.people < SMALL else ""
        yield f"{_WHAT[name]} must be at most {100 * limit:.1f} % (gate.{name}{tighter}). Got {got}. {_MORE[name]}."


def measured(name: str, audit: Mapping[str, Any]) -> list[tuple[float, str]]:
    """Upper limits on the student that a budget is held against, and what each is about: of the attack declared beforehand."""
    pipelines = audit.get("pipelines") or {}
    if name == "per_record":
        worst = [row for row in pipelines.get("worst") or () if row["target"] == "student"]
        return [(row["high"], f"{row['records']} {row['counted_in']}, {row['pairs']} pairs of pipelines") for row in worst]
    found = []
    for part in (audit, pipelines):
        attack = (part.get("endpoint") or {}).get("attack")
        for row in part.get("rows") or ():
            mine = row.get("target") == "student" and row.get("attack") == attack and row.get("tpr_at_1pct_high") is not None
            if mine and (row.get("population") in _OF_PATIENTS) == (name == "patients"):
                found.append((float(row["tpr_at_1pct_high"]), f"{row.get('population') or 'all records'}, {attack}"))
    return found

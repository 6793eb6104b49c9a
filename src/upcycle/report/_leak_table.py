"""What every part of a pipeline gives away, as a table: targets, threat models, populations. Read from the audit's JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from upcycle.report._audit_json import AttackRow, attack_rows, mappings
from upcycle.report._summary import verdict

_OWNERS: Final = ("patient", "set")  # populations that count all records of one owner as one
CANARIES: Final = MappingProxyType(
    {
        "canary": "mislabelled canaries",
        "canary, patch": "canaries with a patch",
        "canary, repeated": "repeated canaries",
    }
)
_POPULATIONS: Final = MappingProxyType(
    {
        **{"clean": "ordinary records", "outlier": "outliers among them", "next layer": "the next outliers"},
        **CANARIES,
        "patient": "patients",
    }
)
_THREATS: Final = MappingProxyType(
    {
        "T0": "its answers, classes only",
        "T1": "its answers, with probabilities",
        "T1+": "the same, asked at synthetic images nearby",
        "T2": "the synthetic images",
        "T3": "their soft labels too",
        "T4": "the generator too",
        "T5": "its answers, with probabilities",
    }
)
_ROLES: Final = MappingProxyType(
    {
        "student": "what leaves",
        "synthetic set": "what leaves together with the student",
        "distilled generator": "leaves too; it learned from the synthetic set alone",
        "generator": "stays inside",
        "baseline": "trained on the records themselves; stays inside",
        "teacher": "saw the records and stays inside",
        "positive control": "made to remember its records; stays inside: shows what the attacks can see",
    }
)
_VARIANT: Final = "another student, which could leave instead"
_CALIBRATED: Final = "shrunk Student-t"
_PLACES: Final = (
    *("student", "student, ", "synthetic set", "distilled generator"),
    *("generator", "baseline", "teacher", "positive control"),
)


@dataclass(frozen=True)
class Line:
    """One attacker of one target. `attack` was chosen before any score was seen; `cells` are its rows in the order of the
    table's populations, None where it was not tried; `other` is the strongest row of any other attack."""

    threat: str
    access: str
    attack: str
    cells: tuple[AttackRow | None, ...]
    other: AttackRow | None


@dataclass(frozen=True)
class Part:
    """One target: what becomes of it, the audit's word on it with what the audit could have seen, and its attackers."""

    name: str
    role: str
    line: str
    kind: str
    lines: tuple[Line, ...]

    @property
    def capped(self) -> tuple[Line, ...]:
        """The lines with a row that could have shown an epsilon."""
        return tuple(line for line in self.lines if any(cell and cell.epsilon_cap for cell in line.cells))


@dataclass(frozen=True)
class LeakTable:
    """Populations by their names in the JSON and on the page, and the parts."""

    populations: Mapping[str, str]
    parts: tuple[Part, ...]

    @property
    def canaries(self) -> list[tuple[Part, AttackRow]]:
        """Rows of the primary attack on canaries: teacher, baseline, student and its variants, kind by kind."""
        order = ("teacher", "baseline")
        parts = sorted(self.parts, key=lambda part: order.index(part.name) if part.name in order else len(order))
        lines = [(part, line) for part in parts for line in part.lines if any(cell and cell.primary for cell in line.cells)]
        return [(part, cell) for part, line in lines for cell in line.cells if cell and cell.population in CANARIES]


def leak_table(audit: Mapping[str, Any] | None, *, owned: bool = False) -> LeakTable:
    """All targets, what leaves first: on single records, or `owned`, on all records of a patient at once. Populations that
    without rows have no column."""
    rows = attack_rows(audit)
    shown = [row for row in rows if row.population.startswith(_OWNERS) == owned]
    found = dict.fromkeys(row.population for row in shown)
    known = [name for name in _POPULATIONS if name in found]
    names = {name: _POPULATIONS.get(name, name) for name in [*known, *(name for name in found if name not in known)]}
    words = {str(row.get("target")): row for row in mappings(audit, "verdicts")}
    targets = sorted(dict.fromkeys(row.target for row in shown), key=_place)
    return LeakTable(names, tuple(_part(name, rows, list(names), words.get(name, {})) for name in targets))


def lead_attack(rows: Sequence[AttackRow]) -> str:
    """The attack that represents these rows of one target and threat model, by a rule that uses no score: the primary
    one, else the first that is calibrated by shadow pipelines, else the first."""
    chosen = [row for row in rows if row.primary] or [row for row in rows if _CALIBRATED in row.attack] or rows
    return chosen[0].attack


def _part(name: str, rows: Sequence[AttackRow], populations: list[str], said: Mapping[str, Any]) -> Part:
    mine = [row for row in rows if row.target == name]
    threats = sorted({row.threat_model for row in mine if row.population in populations})
    lines = tuple(_line(threat, [row for row in mine if row.threat_model == threat], populations) for threat in threats)
    role = _VARIANT if name.startswith("student, ") else _ROLES.get(name, "")
    line = str(said.get("line") or said.get("verdict") or "")
    return Part(name, role, line, verdict({"verdict": said.get("verdict", "")}).kind, lines)


def _line(threat: str, rows: Sequence[AttackRow], populations: list[str]) -> Line:
    lead = lead_attack(rows)
    shown = [row for row in rows if row.population in populations]
    cells = {row.population: row for row in reversed(shown) if row.attack == lead}
    others = [row for row in shown if row.attack != lead and row.p is not None]
    best = min(others, key=lambda row: (row.p, -(row.auc or (0.0,))[0]), default=None)
    short = threat.split(" ")[0]
    return Line(short, _THREATS.get(short, ""), lead, tuple(cells.get(name) for name in populations), best)


def _place(name: str) -> int:
    if name in _PLACES:
        return _PLACES.index(name)
    return _PLACES.index("student, ") if name.startswith("student, ") else len(_PLACES)

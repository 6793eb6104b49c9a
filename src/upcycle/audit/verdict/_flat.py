"""Rows, controls and verdicts as they stand in JSON: flat, every rate with its limits next to it."""

from dataclasses import asdict, dataclass, fields
from typing import Any

from upcycle.audit.statistics import NotResolvable, Rate
from upcycle.audit.verdict._row import Control, Row, Wanted
from upcycle.audit.verdict._word import Word


@dataclass(frozen=True)
class RowDocument:
    """One attack on one population of one part.

    Attributes:
        target: name of the part.
        role: what becomes of it.
        threat_model: T0 to T5, what the attacker had.
        population: which records.
        attack: its name.
        primary: is it what the verdict is read from.
        n_members: members judged, or pairs of a record and a pipeline.
        n_non_members: non-members judged, counted alike.
        units: distinct records or patients on the smaller side.
        auc: area under the ROC, 0..1.
        auc_low: its lower limit.
        auc_high: its upper limit.
        tpr_at_1pct: true positive rate at 1 % false positives, 0..1; None where it cannot be resolved.
        tpr_at_1pct_low: its lower limit.
        tpr_at_1pct_high: its upper limit.
        tpr_at_1pct_note: what it would need, where it cannot be resolved.
        tpr_at_01pct: the same at 0.1 %.
        tpr_at_01pct_low: its lower limit.
        tpr_at_01pct_high: its upper limit.
        tpr_at_01pct_note: what it would need.
        p_value: of "AUC at most 0.5".
        p_holm: adjusted over all tests of the part.
        tpr_p_value: of "TPR at most 1 % at 1 % FPR".
        tpr_p_holm: adjusted.
        epsilon_low: lower bound on epsilon.
        epsilon_cap: what a perfect attack would have given.
        epsilon_of: whom the two are about.
        detectable: of a primary row, what 80 % of audits like this find.
        verdict: the word on the part.
    """

    target: str
    role: str
    threat_model: str
    population: str
    attack: str
    primary: bool
    n_members: int
    n_non_members: int
    units: int
    auc: float
    auc_low: float
    auc_high: float
    tpr_at_1pct: float | None
    tpr_at_1pct_low: float | None
    tpr_at_1pct_high: float | None
    tpr_at_1pct_note: str | None
    tpr_at_01pct: float | None
    tpr_at_01pct_low: float | None
    tpr_at_01pct_high: float | None
    tpr_at_01pct_note: str | None
    p_value: float
    p_holm: float
    tpr_p_value: float | None
    tpr_p_holm: float | None
    epsilon_low: float
    epsilon_cap: float
    epsilon_of: str
    detectable: float | None
    verdict: Word

    @property
    def auc_rate(self) -> Rate:
        """The AUC with its limits."""
        return Rate(self.auc, self.auc_low, self.auc_high)

    @property
    def tpr_rate(self) -> Rate | None:
        """The TPR at 1 % with its limits, where it can be resolved."""
        return _rate(self.tpr_at_1pct, self.tpr_at_1pct_low, self.tpr_at_1pct_high)

    @property
    def low_tpr_rate(self) -> Rate | None:
        """The TPR at 0.1 % with its limits, where it can be resolved."""
        return _rate(self.tpr_at_01pct, self.tpr_at_01pct_low, self.tpr_at_01pct_high)


@dataclass(frozen=True)
class ControlDocument:
    """One control attack: what it must show (`wanted`), what it gave, and whether that will do."""

    control: str  # its name
    target: str  # that was attacked
    attack: str  # that was run
    wanted: Wanted  # what it must show
    auc: float  # what it gave
    auc_low: float  # lower limit
    auc_high: float  # upper limit
    passed: bool  # whether that will do

    @property
    def auc_rate(self) -> Rate:
        """The AUC with its limits."""
        return Rate(self.auc, self.auc_low, self.auc_high)


def flat_row(row: Row, verdict: Word) -> RowDocument:
    """The row as it stands in JSON, with the word on its part."""
    known = {f.name for f in fields(RowDocument)}
    plain = {f.name: getattr(row, f.name) for f in fields(row) if f.name in known and not f.name.startswith(("auc", "tpr_at"))}
    rates = {**_flat("auc", row.auc), **_flat("tpr_at_1pct", row.tpr_at_1pct), **_flat("tpr_at_01pct", row.tpr_at_01pct)}
    rates.pop("auc_note")
    return RowDocument(
        target=row.part.name,
        role=row.part.role.value,
        verdict=verdict,
        **{**plain, "threat_model": row.threat_model.value},
        **rates,
    )


def flat_control(control: Control) -> ControlDocument:
    """The control as it stands in JSON."""
    auc = control.auc
    return ControlDocument(
        control.control, control.target, control.attack, control.wanted, auc.value, auc.low, auc.high, bool(control.passed)
    )


def plain(value: Any) -> dict[str, Any]:
    """A dataclass as plain data, enums as their values."""
    return {key: getattr(found, "value", found) for key, found in asdict(value).items()}


def _flat(name: str, rate: Rate | NotResolvable) -> dict[str, Any]:
    if isinstance(rate, NotResolvable):
        return {name: None, f"{name}_low": None, f"{name}_high": None, f"{name}_note": str(rate)}
    return {name: rate.value, f"{name}_low": rate.low, f"{name}_high": rate.high, f"{name}_note": None}


def _rate(value: float | None, low: float | None, high: float | None) -> Rate | None:
    return None if value is None or low is None or high is None else Rate(value, low, high)

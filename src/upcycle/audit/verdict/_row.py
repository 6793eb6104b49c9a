"""One line of an audit: an attack on a part with its statistics; a control with what it must show; another exact test."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from upcycle.audit.attacks import ThreatModel
from upcycle.audit.statistics import NotResolvable, Rate
from upcycle.audit.verdict._part import Part
from upcycle.audit.verdict._rule import Statistic


@dataclass(frozen=True)
class Row:
    """One attack on one population of one part.

    Attributes:
        part: what was attacked.
        threat_model: what the attacker had.
        population: which records: clean, outlier, canary and others.
        attack: its name.
        primary: is it the attack and population that the verdict is read from.
        n_members: members judged; over several pipelines, pairs of a record and a pipeline.
        n_non_members: non-members judged, counted alike.
        units: distinct records or patients on the smaller side.
        auc: area under the ROC with its limits.
        tpr_at_1pct: true positive rate at 1 % false positives with its limits, or what it would need.
        tpr_at_01pct: the same at 0.1 %.
        p_value: of "AUC at most 0.5".
        tpr_p_value: of "TPR at most 1 % at 1 % FPR"; None where it cannot be resolved.
        p_below: of "AUC at least 0.5": small where members are told the wrong way round.
        p_holm: `p_value` adjusted over all tests of the part, by the shares of the rule.
        tpr_p_holm: `tpr_p_value` adjusted.
        epsilon_low: lower bound on epsilon, by itself at the audit's confidence.
        epsilon_cap: what a perfect attack would have given; 0: these records can show none.
        epsilon_of: whom the two are about: "one record"; "one record, given twice"; or "records that share a coin".
        detectable: of a primary row, the least value of the endpoint's statistic that 80 % of audits like this find.
    """

    part: Part
    threat_model: ThreatModel
    population: str
    attack: str
    primary: bool
    n_members: int
    n_non_members: int
    units: int
    auc: Rate
    tpr_at_1pct: Rate | NotResolvable
    tpr_at_01pct: Rate | NotResolvable
    p_value: float
    tpr_p_value: float | None
    p_below: float
    p_holm: float
    tpr_p_holm: float | None
    epsilon_low: float
    epsilon_cap: float
    epsilon_of: str
    detectable: float | None = None

    def statistic(self, name: Statistic) -> Rate | NotResolvable:
        """The endpoint statistic "AUC" or "TPR@1%FPR" with its limits."""
        return self.auc if name == "AUC" else self.tpr_at_1pct

    def adjusted(self, name: Statistic) -> float | None:
        """Its adjusted p."""
        return self.p_holm if name == "AUC" else self.tpr_p_holm


class ExactTest(Protocol):
    """A test beyond the rows that shares their error, such as that of the canaries' labels."""

    @property
    def target(self) -> str: ...

    @property
    def p_value(self) -> float: ...

    @property
    def finding(self) -> str:
        """What it found, as half of a sentence."""


class Wanted(StrEnum):
    """What a control must show."""

    CHANCE = "must contain 0.5"
    LEAK = "must be above 0.5"
    POWER = "should be above 0.5"  # where it is not, the audit stands, but it cannot clear anything


@dataclass(frozen=True)
class Control:
    """One attack whose outcome is known beforehand."""

    control: str
    target: str
    attack: str
    wanted: Wanted
    auc: Rate

    @property
    def passed(self) -> bool:
        if self.wanted is Wanted.CHANCE:
            return self.auc.low <= 0.5 <= self.auc.high
        return self.auc.low > 0.5

    @property
    def failed(self) -> bool:
        """Does it make the audit invalid? A positive control that does not leak only takes the audit's power away."""
        return not self.passed and self.wanted is not Wanted.POWER

"""From scores to rows, and from the rows of a part to adjusted p-values; for one run as for several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from upcycle.audit.attacks import ThreatModel
from upcycle.audit.statistics import (
    NotResolvable,
    Rate,
    Scores,
    auc_interval,
    auc_p_value,
    detectable_auc,
    detectable_tpr,
    effective_trials,
    epsilon_bound,
    tpr_at_fpr,
    tpr_p_value,
    weighted_holm,
)
from upcycle.audit.verdict._part import Part
from upcycle.audit.verdict._row import ExactTest, Row
from upcycle.audit.verdict._rule import CHANCE, FPR, LOW_FPR, Endpoint, Rule, Statistic

ONE = "one record"
TWICE = "one record, given twice"
TOGETHER = "records that share a coin"


@dataclass(frozen=True)
class Attacked:
    """Which attack on which records of which part; `primary`: is it the endpoint's; `epsilon_of`: whom an epsilon is about."""

    part: Part
    threat_model: ThreatModel
    population: str
    attack: str
    primary: bool = False
    epsilon_of: str = ONE


def make_row(
    s: Scores, of: Attacked, endpoint: Endpoint, rule: Rule, *, seed: int, tpr: Rate | NotResolvable | None = None
) -> Row:
    """The row of these scores, with p-values not yet adjusted; `seed` draws what the epsilon of a single run is split by.

    `tpr` at FPR where one threshold serves all records; its p-value compares the members with non-members of the same kind
    only, which no difference between kinds can fool.
    """
    area, own = auc_interval(s, rule.confidence), tpr_at_fpr(s, FPR, rule.confidence)
    epsilon, p = epsilon_bound(s, FPR, seed=seed, confidence=rule.confidence), auc_p_value(s)
    tpr_p = tpr_p_value(s, FPR) if isinstance(own, Rate) else None
    return Row(
        part=of.part,
        threat_model=of.threat_model,
        population=of.population,
        attack=of.attack,
        primary=of.primary,
        n_members=int(s.members.sum()),
        n_non_members=int((~s.members).sum()),
        units=min(s.sides),
        auc=area,
        tpr_at_1pct=own if tpr is None else tpr,
        tpr_at_01pct=tpr_at_fpr(s, LOW_FPR, rule.confidence),
        p_value=p,
        tpr_p_value=tpr_p,
        p_below=auc_p_value(s.having(-s.values)) if area.high < CHANCE["AUC"] else 1.0,
        p_holm=p,
        tpr_p_holm=tpr_p,
        epsilon_low=epsilon.low,
        epsilon_cap=epsilon.cap,
        epsilon_of=of.epsilon_of,
        detectable=detectable(s, area, endpoint.statistic, rule) if of.primary else None,
    )


def detectable(s: Scores, area: Rate, statistic: Statistic, rule: Rule) -> float:
    """The least value of the statistic that the primary test at its share of the error finds with the rule's power; 1 where it
    finds none."""
    alpha = rule.level * rule.primary
    if statistic == "AUC":
        if s.single:
            return detectable_auc(*s.sides, alpha, rule.power)
        from scipy.special import ndtri

        error = (area.high - area.low) / 2 / ndtri(0.5 + rule.confidence / 2)
        return float(min(0.5 + error * (ndtri(1 - alpha) + ndtri(rule.power)), 1.0))
    members, outside = (int(count) for count in effective_trials(s, FPR)) if s.single or _resolvable(s) else (1, 1)
    return detectable_tpr(members, outside, FPR, alpha, rule.power)


def _resolvable(s: Scores) -> bool:
    return not isinstance(tpr_at_fpr(s, FPR), NotResolvable)


def adjust(rows: Sequence[Row], tests: Sequence[ExactTest], endpoint: Endpoint, rule: Rule) -> tuple[list[Row], list[float]]:
    """The rows of one part with adjusted p-values, and those of its other tests: weighted Holm over every AUC, every resolvable
    TPR and every test, so that any of them below alpha is an error once in 1 / alpha audits.

    The primary endpoint has its share of the error, the primary attack's other statistics and populations another, and all
    others the rest.
    """
    keys: list[tuple[int, Statistic]] = [(k, "AUC") for k in range(len(rows))]
    keys += [(k, "TPR@1%FPR") for k, row in enumerate(rows) if row.tpr_p_value is not None]
    p = [rows[k].p_value if name == "AUC" else float(rows[k].tpr_p_value or 0.0) for k, name in keys]
    p += [test.p_value for test in tests]
    groups = [_group(rows, k, name, endpoint) for k, name in keys] + ["others"] * len(tests)
    shares = {"primary": rule.primary, "kin": rule.kin, "others": rule.others}
    if not p:
        return [], []
    found = weighted_holm(np.array(p), np.array([shares[group] / groups.count(group) for group in groups]))
    made = dict(zip(keys, found.tolist(), strict=False))
    done = [replace(row, p_holm=made[k, "AUC"], tpr_p_holm=made.get((k, "TPR@1%FPR"))) for k, row in enumerate(rows)]
    return done, found[len(keys) :].tolist()


def is_kin(row: Row, primary: Row | None) -> bool:
    """Is it a row of the primary attack, by the same access?"""
    return primary is not None and (row.attack, row.threat_model) == (primary.attack, primary.threat_model)


def _group(rows: Sequence[Row], k: int, name: Statistic, endpoint: Endpoint) -> str:
    primary = next((row for row in rows if row.primary), None)
    if rows[k].primary and name == endpoint.statistic:
        return "primary"
    return "kin" if is_kin(rows[k], primary) else "others"

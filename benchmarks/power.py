"""Whether audits find what `upcycle audit-power` and the forecasts promise: python -m benchmarks.power.

Eight designs. Each promise (the AUC or TPR that four of five audits find, or the numbers with which they can show a bound) is taken
from the product, 200 audits are simulated exactly there, and the share that succeeds is written next to the promised 80 % with the
standard error of 200 audits. `deviation` is their difference in standard errors.
"""

import argparse
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import ndtri

from benchmarks._results import MEASURED, write
from upcycle.audit.statistics import (
    Rate,
    Scores,
    auc_interval,
    auc_p_value,
    canaries_for_epsilon,
    detectable_auc,
    detectable_tpr,
    one_run_bound,
    records_for_margin,
    records_needed,
    tpr_at_fpr,
    tpr_p_value,
)
from upcycle.audit.verdict import Rule

POWER, FPR = 0.8, 0.01
RULE = Rule()
ALPHA = RULE.level * RULE.primary  # of the primary test
Audit = Callable[[np.random.Generator], bool]


def shifted(members: int, outside: int, area: float, rng: np.random.Generator) -> Scores:
    """Normal scores of which members are shifted so that the AUC is `area`."""
    scores = rng.normal(size=members + outside)
    flags = np.arange(members + outside) < members
    return Scores(scores + math.sqrt(2) * ndtri(area) * flags, flags)


def finds_area(members: int, outside: int) -> tuple[float, Audit]:
    """The smallest AUC that is promised, and an audit of it by the primary test."""
    area = detectable_auc(members, outside, ALPHA, POWER)
    return area, lambda rng: auc_p_value(shifted(members, outside, area, rng)) <= ALPHA


def finds_patients(members: int, outside: int, each: int) -> tuple[float, Audit]:
    """The same of patients with `each` records, whose scores differ by patient and record."""
    area = detectable_auc(members, outside, ALPHA, POWER)

    def audit(rng: np.random.Generator) -> bool:
        people = shifted(members, outside, area, rng)
        own = rng.normal(size=(members + outside, each)) * 0.3
        values = (people.values[:, None] + own - own.mean(1, keepdims=True)).ravel()  # the mean of a patient stays
        units = np.repeat(np.arange(members + outside), each)
        means = np.bincount(units, weights=values) / each
        return auc_p_value(Scores(means, people.members)) <= ALPHA

    return area, audit


def finds_rate(members: int, outside: int) -> tuple[float, Audit]:
    """The smallest TPR at 1 % FPR that is promised, and an audit of an attack that finds just these and guesses the rest."""
    rate = detectable_tpr(members, outside, FPR, ALPHA, POWER)

    def audit(rng: np.random.Generator) -> bool:
        found = rng.random(members) < rate
        rest = rng.random(members) * (1 - FPR)  # below the threshold, where non-members are uniform
        inside = np.where(found, 1 - FPR * rng.random(members) / 1e6, rest)
        values = np.concatenate([inside, rng.random(outside)])
        return tpr_p_value(Scores(values, np.arange(len(values)) < members), FPR) <= ALPHA

    return rate, audit


def excludes_chance(area: float) -> tuple[float, Audit]:
    """The records a side that are promised to tell `area` from chance by the 95 % interval."""
    count = records_needed(area - 0.5, RULE.confidence, POWER)
    return count, lambda rng: auc_interval(shifted(count, count, area, rng), RULE.confidence).low > 0.5


def stays_below(margin: float) -> tuple[float, Audit]:
    """The records a side with which the upper limit of the TPR at 1 % FPR is promised to fall below `margin` where nothing
    leaks."""
    count = records_for_margin(margin, FPR, RULE.confidence, POWER) or 0

    def audit(rng: np.random.Generator) -> bool:
        found = tpr_at_fpr(shifted(count, count, 0.5, rng), FPR, RULE.confidence)
        return isinstance(found, Rate) and found.high < margin

    return count, audit


def shows_epsilon(epsilon: float) -> tuple[float, Audit]:
    """The canaries with which a perfect attack is promised to show `epsilon` in one run."""
    count = canaries_for_epsilon(epsilon, confidence=RULE.confidence, power=POWER) or 0

    def audit(rng: np.random.Generator) -> bool:
        coins = rng.random(count) < 0.5
        found = one_run_bound(Scores(coins + rng.random(count) / 10, coins), guesses=count, confidence=RULE.confidence)
        return found.low >= epsilon

    return count, audit


DESIGNS: dict[str, Callable[[], tuple[float, Audit]]] = {
    "AUC, 200 members and 200 non-members": lambda: finds_area(200, 200),
    "AUC, 2,000 members and 200 non-members": lambda: finds_area(2_000, 200),
    "AUC, 33 patients and 10 kept away, ten records each": lambda: finds_patients(33, 10, 10),
    "TPR at 1 % FPR, 1,000 members and 1,000 non-members": lambda: finds_rate(1_000, 1_000),
    "TPR at 1 % FPR, 500 members and 5,000 non-members": lambda: finds_rate(500, 5_000),
    "records to tell an AUC of 0.55 from chance": lambda: excludes_chance(0.55),
    "records to bring the TPR's upper limit below 3 %": lambda: stays_below(0.03),
    "canaries to show epsilon 2 in one run, perfect attack": lambda: shows_epsilon(2.0),
}


def row(name: str, audits: int) -> dict[str, Any]:
    """One design: what is promised, and how many of the audits kept it."""
    promised, audit = DESIGNS[name]()
    share = float(np.mean([audit(np.random.default_rng([7, seed])) for seed in range(audits)]))
    error = math.sqrt(POWER * (1 - POWER) / audits)
    facts = {"promised": round(promised, 4), "audits": audits, "share": share, "declared": POWER}
    return {"design": name, **facts, "standard_error": round(error, 4), "deviation": round((share - POWER) / error, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--audits", type=int, default=200)
    given = parser.parse_args()
    rows = [row(name, given.audits) for name in DESIGNS]
    for found in rows:
        print(f"{found['share']:.3f} ({found['deviation']:+.1f})  {found['promised']:g}  {found['design']}")
    write("power.json", [found | {"commit": MEASURED} for found in rows])


if __name__ == "__main__":
    main()

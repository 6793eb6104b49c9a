"""Our bounds and AUCs next to those of jax-privacy and tensorflow-empirical-privacy, which are no dependencies.

    python -m benchmarks.parity --jax PYTHON --tensorflow PYTHON

Each PYTHON is the interpreter of a separate environment: python3.11 -m venv; pip install jax-privacy; in another one
tensorflow-empirical-privacy, and then, since it pins none of them, tensorflow==2.15.1, keras==2.15.0,
tensorflow-estimator==2.15.0 and scikit-learn==1.4.2. Arrays are exchanged as .npz. A library that is not given or does not
run is recorded as such.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks._results import write
from upcycle.audit.statistics import Scores, auc, epsilon_from_counts, gaussian_epsilon, one_run_epsilon, one_run_mu, roc

TOLERANCE = 1e-6
DELTA = 1e-5

JAX = """
import importlib.metadata, sys
import dp_accounting
import numpy as np
from jax_privacy import auditing
given = np.load(sys.argv[1], allow_pickle=False)
out = {"version": np.array(importlib.metadata.version("jax-privacy"))}
for k in range(int(given["cases"])):
    scores, members, at = given[f"scores{k}"], given[f"members{k}"], auditing.Explicit(float(given[f"threshold{k}"]))
    auditor = auditing.CanaryScoreAuditor(scores[members], scores[~members])
    exact = auditor.epsilon_clopper_pearson(0.05, threshold_strategy=at)
    approximate = auditor.epsilon_clopper_pearson(0.05, 1e-5, threshold_strategy=at)
    one_run = auditor.epsilon_one_run(0.05, 1e-5, threshold_strategy=at)
    gaussian = auditor.epsilon_one_run_fdp(0.05, 1e-5, threshold_strategy=at)
    out[f"values{k}"] = np.array([exact, approximate, one_run, gaussian])
out["accountant"] = np.array([dp_accounting.get_epsilon_gaussian(1 / mu, 1e-5) for mu in given["mu"]])
np.savez(sys.argv[2], **out)
"""

TENSORFLOW = """
import importlib.metadata, sys
import numpy as np
from tensorflow_privacy.privacy.privacy_tests.membership_inference_attack import membership_inference_attack as mia
from tensorflow_privacy.privacy.privacy_tests.membership_inference_attack import data_structures as data
given = np.load(sys.argv[1], allow_pickle=False)
out = {"version": np.array(importlib.metadata.version("tensorflow-empirical-privacy"))}
for k in range(int(given["cases"])):
    losses, members = -given[f"scores{k}"], given[f"members{k}"]
    case = data.AttackInputData(loss_train=losses[members], loss_test=losses[~members])
    result = mia.run_attacks(case, attack_types=[data.AttackType.THRESHOLD_ATTACK]).single_attack_results[0]
    out[f"values{k}"] = np.array([result.get_auc(), result.get_attacker_advantage()])
np.savez(sys.argv[2], **out)
"""


def cases() -> dict[str, np.ndarray]:
    """Score sets with and without ties and leaks, and a threshold for each that meets no score."""
    rng, arrays = np.random.default_rng(0), {}
    shapes = [(200, 0.5), (500, 1.0), (1000, 2.0), (1000, 4.0), (300, 0.0), (400, 1.0)]
    for k, (n, shift) in enumerate(shapes):
        members = rng.permutation(np.arange(2 * n) < n)
        scores = rng.normal(size=2 * n) + shift * members
        arrays[f"scores{k}"] = np.round(scores, 1) if k == len(shapes) - 1 else scores
        arrays[f"members{k}"], arrays[f"threshold{k}"] = members, np.array(1.5 * shift + 0.05001)
    return {**arrays, "cases": np.array(len(shapes)), "mu": np.array([0.25, 0.5, 1.0, 2.0, 4.0])}


def ours_jax(given: dict[str, np.ndarray], k: int) -> dict[str, float]:
    """What we say where jax-privacy is asked with a threshold fixed beforehand."""
    members, above = given[f"members{k}"], given[f"scores{k}"] >= given[f"threshold{k}"]
    m, n = int(members.sum()), int((~members).sum())
    right, wrong = int((above & members).sum()), int((above & ~members).sum())
    return {
        "epsilon, Clopper-Pearson, delta 0": epsilon_from_counts(right, m, wrong, n),
        "epsilon, Clopper-Pearson, delta 1e-5": epsilon_from_counts(right, m, wrong, n, delta=DELTA),
        "epsilon in one run, delta 1e-5": one_run_epsilon(m + n, right + wrong, right, delta=DELTA),
        "epsilon in one run, Gaussian DP, delta 1e-5": gaussian_epsilon(one_run_mu(m + n, right + wrong, right), DELTA),
    }


def ours_tensorflow(given: dict[str, np.ndarray], k: int) -> dict[str, float]:
    """AUC, and the largest difference of TPR and FPR."""
    scores, members = given[f"scores{k}"], given[f"members{k}"]
    curve = roc(Scores(scores, members))
    return {"AUC": auc(Scores(scores, members)), "advantage": float(np.abs(curve.tpr - curve.fpr).max())}


def theirs(python: str | None, code: str, given: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], str]:
    """The other library's arrays, or nothing and why."""
    if python is None:
        return {}, "no environment was given"
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "given.npz", Path(folder) / "found.npz"
        np.savez(source, **given)  # type: ignore[arg-type]
        done = subprocess.run([python, "-c", code, str(source), str(target)], capture_output=True, text=True, check=False)
        if done.returncode:
            return {}, f"did not run: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else done.returncode}"
        with np.load(target, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}, ""


def compare(
    library: str, found: dict[str, np.ndarray], why: str, ours: Callable[[int], dict[str, float]], count: int
) -> list[dict[str, object]]:
    """A row per statistic with the largest difference over the cases."""
    if why:
        return [{"library": library, "version": None, "statistic": "all", "equal": None, "note": why}]
    rows: list[dict[str, object]] = []
    for position, name in enumerate(ours(0)):
        mine = [ours(k)[name] for k in range(count)]
        other = [float(found[f"values{k}"][position]) for k in range(count)]
        rows.append(_row(library, str(found["version"]), name, mine, other))
    return rows


def _row(library: str, version: str, name: str, mine: list[float], other: list[float]) -> dict[str, object]:
    difference = max(abs(a - b) for a, b in zip(mine, other, strict=True))
    return {
        "library": library,
        "version": version,
        "statistic": name,
        "ours": mine,
        "theirs": other,
        "largest_difference": difference,
        "tolerance": TOLERANCE,
        "equal": difference <= TOLERANCE,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jax", metavar="PYTHON")
    parser.add_argument("--tensorflow", metavar="PYTHON")
    options = parser.parse_args()
    given = cases()
    count = int(given["cases"])
    found, why = theirs(options.jax, JAX, given)
    rows = compare("jax-privacy", found, why, lambda k: ours_jax(given, k), count)
    if not why:
        mine = [gaussian_epsilon(float(mu), DELTA) for mu in given["mu"]]
        rows.append(
            _row("dp-accounting", "with jax-privacy", "epsilon of mu-GDP, delta 1e-5", mine, found["accountant"].tolist())
        )
    found, why = theirs(options.tensorflow, TENSORFLOW, given)
    rows += compare("tensorflow-empirical-privacy", found, why, lambda k: ours_tensorflow(given, k), count)
    for row in rows:
        print(row["library"], row["statistic"], row.get("largest_difference"), row["equal"], row.get("note", ""))
    print(write("parity.json", rows))


if __name__ == "__main__":
    main()

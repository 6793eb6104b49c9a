"""Auditing a model that upcycle did not make: a scikit-learn classifier, from its class probabilities.

    python examples/audit_sklearn_model.py

An audit needs three things: records that were given to the model, records of the same pool that were not, and the model's
answers to both. Which are which must be a coin flip. The usual short cut, training split against test split, measures how the
two splits differ as well, and cannot tell that from memory.
"""

from __future__ import annotations

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.datasets import load_digits
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from upcycle.audit import AuditResult, TargetScores, audit_scores


def answers(model: ClassifierMixin, records: np.ndarray) -> np.ndarray:
    """Log-probabilities (n, classes). An audit takes logits; log-probabilities are logits up to a constant per record.

    A forest says exactly 0 where no tree votes, so probabilities are clipped first.
    """
    return np.log(np.clip(model.predict_proba(records), 1e-6, None))


def audit(model: ClassifierMixin, *, seed: int = 0) -> AuditResult:
    """Flip a coin for every record, train `model` on the members, and attack it with both halves."""
    digits = load_digits()
    records, labels, images = digits.data, digits.target, digits.images[..., None]
    members = np.random.default_rng(seed).random(len(labels)) < 0.5
    model.fit(records[members], labels[members])

    # The positive control: a model that is known to remember, on the same records. An audit that does not see this one leak
    # would not see another one leak either, so without it upcycle never says NO LEAK FOUND.
    control = ExtraTreesClassifier(100, random_state=seed)  # grows every tree until it is right about every member
    control.fit(records[members], labels[members])

    # `images` lets a control look for a difference between the halves that no model made. With patients, add groups=... to
    # both, and flip the coin per patient.
    targets = {
        "student": TargetScores(answers(model, records), labels, members),
        "teacher": TargetScores(answers(control, records), labels, members),
    }
    return audit_scores(targets, images=images, seed=seed)


def main() -> None:
    models = {
        "random forest": RandomForestClassifier(100, random_state=0),
        "logistic regression, strongly regularised": LogisticRegression(C=1e-3, max_iter=200),
    }
    for name, model in models.items():
        result = audit(model)
        row = result.row("student")
        print(f"{name}: {result.verdict}, attack AUC {row.auc}")
        print(f"  {result.sentence}\n")


if __name__ == "__main__":
    main()

"""One number per record out of a model's logits. Every signal is oriented so that HIGHER means MORE LIKELY A MEMBER.
float64 throughout."""

from collections.abc import Callable
from typing import Final

import numpy as np

from upcycle.errors import AuditInputError

TOP: Final = 10
_FLOOR: Final = 1e-7  # below which a probability of 0 lies, where no smaller one was given
Predict = Callable[[np.ndarray], np.ndarray]
"""uint8 images (n, height, width, channels) -> logits or probabilities float (n, classes)."""
RecordScore = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(uint8 images (n, ...), labels (n,)) -> float (n,), higher = more member."""


def as_logits(outputs: np.ndarray, classes: int) -> np.ndarray:
    """float32 (n, classes): logits as they are, probabilities as their logarithms. A probability of 0 and an absent class are
    put at 1e-7, or at half of the smallest probability above 0 where that is less: no digit of a sure answer is lost.

    Raises AuditInputError for outputs that are neither.
    """
    values = np.asarray(outputs, dtype=np.float64)
    if values.ndim != 2 or not 2 <= values.shape[1] <= classes or not np.isfinite(values).all():
        raise AuditInputError(
            f"a part's outputs must be finite logits or probabilities (n, {classes}). Got shape {values.shape}, "
            f"{int((~np.isfinite(values)).sum())} of them not finite. Fix the model."
        )
    missing = classes - values.shape[1]
    if are_probabilities(values):
        floor = min(_FLOOR, float(values[values > 0].min(initial=1.0)) / 2)
        return np.log(np.maximum(np.pad(values, ((0, 0), (0, missing))), floor)).astype(np.float32)
    low = values.min(1, keepdims=True) + np.log(_FLOOR) if missing else values[:, :0]
    return np.hstack([values, np.repeat(low, missing, 1) if missing else low]).astype(np.float32)


def are_probabilities(values: np.ndarray) -> bool:
    """Are the rows of `values` (n, classes) in 0..1, and do they sum to 1?"""
    return bool(len(values) and values.min() >= 0 and np.abs(values.sum(1) - 1).max() < 1e-3)


def check_logits(logits: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(float64 logits (n, classes), int64 labels (n,)). Raises AuditInputError with every problem found."""
    logits, labels = np.asarray(logits), np.asarray(labels)
    problems = logit_problems("", logits, labels)
    if problems:
        raise AuditInputError(*problems)
    return logits.astype(np.float64), labels.astype(np.int64)


def logit_problems(prefix: str, logits: np.ndarray, labels: np.ndarray) -> list[str]:
    """Why these cannot be logits (n, classes) and labels (n,), one line each."""
    if logits.ndim != 2 or logits.shape[1] < 2 or logits.dtype.kind not in "fiu":
        return [
            f"{prefix}logits must be numbers of shape (n, classes) with two or more classes. Got {logits.dtype} "
            f"{logits.shape}. Give the output before the softmax."
        ]
    if labels.shape != logits.shape[:1]:
        return [f"{prefix}labels must have shape ({len(logits)},). Got {labels.shape}. Give one label per row of logits."]
    problems = []
    if not np.isfinite(logits).all():
        rows = np.flatnonzero((~np.isfinite(logits)).any(axis=1))
        which = ", ".join(map(str, rows[:5])) + (", ..." if len(rows) > 5 else "")
        got = f"NaN or infinity in {len(rows)} of {len(logits)} rows ({which}, from 0)"
        problems.append(f"{prefix}logits must be finite. Got {got}. Fix the model.")
    if labels.dtype.kind not in "iu" or (len(labels) and not 0 <= labels.min() <= labels.max() < logits.shape[1]):
        problems.append(f"{prefix}labels must be integers in 0..{logits.shape[1] - 1}. Got others. Use the model's own labels.")
    return problems


def check_labels(labels: np.ndarray, records: int, classes: int | None = None) -> np.ndarray:
    """int64 (records,), in 0..classes-1 where `classes` is given. Raises AuditInputError."""
    labels = np.asarray(labels)
    top = np.inf if classes is None else classes
    if labels.shape != (records,) or labels.dtype.kind not in "iu" or (records and not 0 <= labels.min() <= labels.max() < top):
        allowed = "integers from 0" if classes is None else f"integers in 0..{classes - 1}"
        raise AuditInputError(
            f"labels must be {allowed} of shape ({records},). Got {labels.dtype} {labels.shape}. Give one per record."
        )
    return labels.astype(np.int64)


def loss_signal(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Minus the cross-entropy (n,), nats (Yeom et al. 2018); computed from the log-odds, so it keeps its digits near
    zero loss."""
    return np.asarray(-np.logaddexp(0.0, -log_odds_signal(logits, labels)))


def confidence_signal(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Largest class probability (n,) (Salem et al. 2019). Ignores the label."""
    logits, _ = check_logits(logits, labels)
    return np.asarray(np.exp(_log_softmax(logits).max(axis=1)))


def entropy_signal(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Minus the entropy of the class probabilities (n,), nats. Ignores the label."""
    logits, _ = check_logits(logits, labels)
    log_p = _log_softmax(logits)
    return np.asarray((np.exp(log_p) * log_p).sum(axis=1))


def modified_entropy_signal(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Minus the modified entropy (n,) of Song & Mittal 2021: sure and right is low, sure and wrong is high."""
    logits, labels = check_logits(logits, labels)
    log_p, rows = _log_softmax(logits), np.arange(len(logits))
    p, log_q = np.exp(log_p), _log_complement(logits, log_p)
    others = p * log_q
    others[rows, labels] = 0.0
    return np.asarray(np.exp(log_q[rows, labels]) * log_p[rows, labels] + others.sum(axis=1))


def log_odds_signal(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Logit-scaled confidence log(p / (1 - p)) of the label (n,) (Carlini et al. 2022): its logit minus the logsumexp
    of the others."""
    logits, labels = check_logits(logits, labels)
    rows = np.arange(len(logits))
    others = logits.copy()
    others[rows, labels] = -np.inf
    return np.asarray(logits[rows, labels] - _logsumexp(others))


def hinge_signal(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Logit of the label minus the largest other logit (n,)."""
    logits, labels = check_logits(logits, labels)
    rows = np.arange(len(logits))
    others = logits.copy()
    others[rows, labels] = -np.inf
    return np.asarray(logits[rows, labels] - others.max(axis=1))


def signals() -> dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]]:
    """Every signal by name; each maps (logits (n, classes), labels (n,)) to (n,) float64."""
    return {
        "loss": loss_signal,
        "confidence": confidence_signal,
        "entropy": entropy_signal,
        "modified_entropy": modified_entropy_signal,
        "log_odds": log_odds_signal,
        "hinge": hinge_signal,
    }


def attack_features(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """What a learned attack reads: float64 (n, features).

    Columns: up to ten largest logits, as many log-probabilities, the six signals, logsumexp of the logits, rank of the
    label, one-hot label.
    """
    logits, labels = check_logits(logits, labels)
    ranked = -np.sort(-logits, axis=1)[:, :TOP]
    own = logits[np.arange(len(logits)), labels][:, None]
    return np.hstack(
        [
            ranked,
            ranked - _logsumexp(logits)[:, None],
            np.column_stack([signal(logits, labels) for signal in signals().values()]),
            _logsumexp(logits)[:, None],
            (logits > own).sum(axis=1, keepdims=True),
            one_hot(labels, logits.shape[1]),
        ]
    )


def one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    """float64 (n, classes)."""
    return np.asarray(np.eye(classes)[labels])


def _logsumexp(logits: np.ndarray) -> np.ndarray:
    from scipy.special import logsumexp

    return np.asarray(logsumexp(logits, axis=1))


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    return np.asarray(logits - _logsumexp(logits)[:, None])


def _log_complement(logits: np.ndarray, log_p: np.ndarray) -> np.ndarray:
    """log(1 - p) of every class (n, classes); the top class through the logsumexp of the others, where 1 - p would
    round to 0."""
    rows, top = np.arange(len(logits)), logits.argmax(axis=1)
    others = logits.copy()
    others[rows, top] = -np.inf
    p = np.exp(log_p)
    p[rows, top] = 0.0
    result = np.log1p(-p)
    result[rows, top] = _logsumexp(others) - _logsumexp(logits)
    return np.asarray(result)

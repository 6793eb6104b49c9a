"""What can be audited: any callable `(images, labels, *, seed) -> Parts`, and adapters for models that know nothing of us."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, final

import numpy as np

from upcycle._arguments import typed
from upcycle.audit.attacks import Predict, RecordScore, as_logits
from upcycle.errors import AuditInputError

Draw = Callable[[np.ndarray, int], np.ndarray]
"""(labels (n,), seed) -> uint8 images (n, height, width, channels)."""

CONTROL: Final = "positive control"
DISTILLED: Final = "distilled generator: "  # before the names of attacks on it
_ASKED: Final = 128  # records asked about twice
_MOVED, _LARGE = 0.05, 0.05  # the share of the records, and of the answers' spread, that rounding may move


@dataclass(frozen=True)
class PrivateModel:
    """A classifier by DP-SGD to compare the student with: its `noise` multiplier, and its `epsilon` at delta = 1 / members, per
    record."""

    predict: Predict
    noise: float
    epsilon: float


@dataclass(frozen=True, eq=False)
class Parts:
    """What one run of a pipeline leaves; every part may be missing, and what is there is audited.

    Attributes:
        student: what is released.
        teacher: the private model.
        control: a model that was made to remember its members, the audit's positive control; None: one that looks them up.
        baseline: a model trained on the private data.
        variants: other students (hard labels, temperatures) by name.
        synthetic_images: uint8 (m, height, width, channels), a released set.
        soft_labels: float (m, classes) of that set.
        sampler: draws a set where there is none.
        generator_scores: attacks on the generator's weights, by their names in the catalogue or any other.
        facts: numbers worth keeping, by name.
        searched_scores: attacks that search for every record, asked of a few (AuditPlan.searched).
        private: classifiers by DP-SGD by name.
        distilled_scores: as `generator_scores`, of a generator that learned from the released set alone and leaves with it.
    """

    student: Predict | None = None
    teacher: Predict | None = None
    baseline: Predict | None = None
    variants: Mapping[str, Predict] = field(default_factory=dict)
    synthetic_images: np.ndarray | None = None
    soft_labels: np.ndarray | None = None
    sampler: Draw | None = None
    generator_scores: Mapping[str, RecordScore] = field(default_factory=dict)
    facts: Mapping[str, float] = field(default_factory=dict)
    searched_scores: Mapping[str, RecordScore] = field(default_factory=dict)
    private: Mapping[str, PrivateModel] = field(default_factory=dict)
    control: Predict | None = None
    distilled_scores: Mapping[str, RecordScore] = field(default_factory=dict)

    def classifiers(self) -> dict[str, Predict]:
        """Every classifier that is there, the student first."""
        private = {name: model.predict for name, model in self.private.items()}
        named = {"student": self.student, **self.variants, **private, "baseline": self.baseline, "teacher": self.teacher}
        named[CONTROL] = self.control
        return {name: predict for name, predict in named.items() if predict is not None}


class Pipeline(Protocol):
    """Everything from private records to what is released, choices included, in one call that depends on its arguments only.

    An attribute `key` (str) that changes with every setting lets results be cached; without one nothing is kept. An attribute
    `scope` (str), where there is one, is shown with the result: what the pipeline does or leaves out. So is `networks` (str), a
    sentence on the networks that are trained.
    """

    def __call__(self, images: np.ndarray, labels: np.ndarray, *, seed: int) -> Parts: ...


def check_steady(name: str, predict: Predict, images: np.ndarray, classes: int) -> None:
    """Nothing, or AuditInputError where a classifier answers otherwise about records that it is asked about a second time, in
    other company: a query that draws (an augmentation, dropout) or that normalises by its batch is not the released model's
    answer, and its seed may carry membership."""
    some = images[:: max(1, len(images) // _ASKED)]
    once, again = as_logits(predict(some), classes)[::2], as_logits(predict(some[::2]), classes)
    moved = np.abs(once - again).max(1) > _LARGE * max(float(once.std()), 1e-6)
    if moved.mean() > _MOVED:
        raise AuditInputError(
            f"{name} must answer the same whenever it is asked about a record. Got other answers for {int(moved.sum())} of "
            f"{len(moved)} records at the second time. Switch off dropout, batch statistics and augmentation in its queries."
        )


@final
class _SklearnPipeline:
    def __init__(self, estimator: Any, teacher: Any) -> None:
        self._estimator, self._teacher = estimator, teacher
        both = [model for model in (estimator, teacher) if model is not None]
        named = [f"{type(m).__module__}.{m!r} {sorted(map(str, m.get_params().items()))}" for m in both]
        self.key = f"scikit-learn {' taught by '.join(named)}"

    def __call__(self, images: np.ndarray, labels: np.ndarray, *, seed: int) -> Parts:
        student = _sklearn_fit(self._estimator, images, labels, seed)
        return Parts(student, None if self._teacher is None else _sklearn_fit(self._teacher, images, labels, seed))


@typed()
def from_sklearn(estimator: Any, *, teacher: Any = None) -> Pipeline:
    """A pipeline that fits a fresh clone of a scikit-learn classifier on pixels float64 (n, pixels) in [0, 1]; it is the
    student. Needs predict_log_proba, predict_proba or decision_function.

    `teacher`, another classifier, is fitted on the same records as the audit's positive control: one that is known to remember,
    such as a nearest neighbour. Without one, NO LEAK FOUND is never said.
    """
    for name, given in (("estimator", estimator), ("teacher", teacher)):
        if isinstance(given, type) or not ((given is None and name == "teacher") or hasattr(given, "fit")):
            got = f"the class {given.__name__}" if isinstance(given, type) else type(given).__name__
            raise AuditInputError(f"{name} must be a classifier of scikit-learn. Got {got}. Give an object with fit.")
    return _SklearnPipeline(estimator, teacher)


def _sklearn_fit(estimator: Any, images: np.ndarray, labels: np.ndarray, seed: int) -> Predict:
    from sklearn.base import clone

    model = clone(estimator)
    states = {name: seed % 2**32 for name in model.get_params() if name.split("__")[-1] == "random_state"}
    model.set_params(**states).fit(_rows(images), labels)
    return lambda asked: _sklearn_outputs(model, _rows(asked))


def _rows(images: np.ndarray) -> np.ndarray:
    return np.asarray(images.reshape(len(images), -1) / 255.0)


def _sklearn_outputs(model: Any, rows: np.ndarray) -> np.ndarray:
    """Outputs in the columns of their classes."""
    classes = int(model.classes_.max()) + 1
    if hasattr(model, "predict_log_proba"):
        with np.errstate(divide="ignore"):  # a probability of 0
            logs = np.asarray(model.predict_log_proba(rows), np.float64)
        if np.isfinite(
            logs
        ).all():  # digits that a probability would have lost; else its zeros are put where as_logits puts them
            out = np.full((len(rows), classes), logs.min() - 20.0)
            out[:, model.classes_] = logs
            return out
    if hasattr(model, "predict_proba"):
        found = model.predict_proba(rows)
        out = np.zeros((len(rows), classes))
    else:
        found = model.decision_function(rows)
        found = np.column_stack([-found / 2, found / 2]) if found.ndim == 1 else found
        out = np.full((len(rows), classes), found.min() - 20.0)
    out[:, model.classes_] = found
    return out


@final
class _TorchPipeline:
    def __init__(self, fit: Callable[..., Any], key: str, teacher: Callable[..., Any] | None) -> None:
        self._fit, self._teacher, self.key = fit, teacher, f"torch {key}"

    def __call__(self, images: np.ndarray, labels: np.ndarray, *, seed: int) -> Parts:
        student = _torch_fit(self._fit, images, labels, seed)
        return Parts(student, None if self._teacher is None else _torch_fit(self._teacher, images, labels, seed))


@typed()
def from_torch(fit: Callable[..., Any], *, key: str, teacher: Callable[..., Any] | None = None) -> Pipeline:
    """A pipeline around `fit(images, labels, seed) -> nn.Module`, where images are float32 (n, channels, height, width) in
    [0, 1] and the module returns logits (n, classes); it is the student. `key` must change whenever `fit` or `teacher` does.

    `teacher`, called as `fit`, makes the audit's positive control: a model that is known to remember, such as the same one
    trained until it knows every label. Without one, NO LEAK FOUND is never said.
    """
    return _TorchPipeline(fit, key, teacher)


def _torch_fit(fit: Callable[..., Any], images: np.ndarray, labels: np.ndarray, seed: int) -> Predict:
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = fit(_pixels(images), torch.from_numpy(np.asarray(labels, np.int64)), seed)
    net.eval()

    def predict(asked: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            parts = [net(_pixels(asked[start : start + 500])) for start in range(0, len(asked), 500)]
            return np.asarray(torch.cat(parts).float().cpu().numpy())

    return predict


def _pixels(images: np.ndarray) -> Any:
    import torch

    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))).float() / 255

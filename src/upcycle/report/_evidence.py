"""All that the reports are made of. Parts that a run does not have are None or empty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

Triple = tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Evidence:
    """Facts of one run. `accuracies` and `gap_points` are (value, low, high); `logits` maps a model to (n, classes) on the test
    images of `test_labels`; `synthetic_examples` is images uint8 (n, side, side, channels), labels, soft labels;
    `real_examples` images and labels, which only the internal report may show."""

    title: str
    dataset: Mapping[str, Any]
    config_yaml: str = ""
    environment: Mapping[str, Any] = field(default_factory=dict)
    minutes: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, Sequence[Mapping[str, float]]] = field(default_factory=dict)
    test_labels: np.ndarray | None = None
    logits: Mapping[str, np.ndarray] = field(default_factory=dict)
    accuracies: Mapping[str, Triple] = field(default_factory=dict)
    gap_points: Triple | None = None
    audit: Mapping[str, Any] | None = None
    copies: Mapping[str, float] | None = None
    roc: Mapping[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    synthetic_examples: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
    real_examples: tuple[np.ndarray, np.ndarray] | None = None

    def shareable(self) -> Evidence:
        """The same without private images, the data set's own name and the reader's notes about files."""
        dataset = {key: value for key, value in self.dataset.items() if key in ("size", "channels", "class_names", "counts")}
        return replace(self, title="Audited student", dataset={"name": "the private data set", **dataset}, real_examples=None)

"""A generator of the user's own, behind the doors that the stages of a run use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import final

import numpy as np

from upcycle._training import Report, silent
from upcycle.errors import UpcycleError
from upcycle.generators._contract import Generator, ImageShape

GeneratorFactory = Callable[[int, int, int], Generator]
"""(channels, size, classes) -> an unfitted generator that passes `check_generator`."""


@final
class OwnGenerator:
    """Makes generators of one kind and keeps the one that was fitted.

    A generator need not know how it is opened again: a finished fit that is called again with the same arguments changes
    nothing, so that is how. One with `load(folder)` is opened by that where it was not fitted in this process.
    """

    def __init__(self, make: GeneratorFactory, shape: ImageShape) -> None:
        self._make, self._shape = make, shape
        self.fitted: Generator | None = None

    def new(self) -> Generator:
        """Another unfitted one."""
        return self._make(self._shape.channels, self._shape.size, self._shape.classes)

    @property
    def name(self) -> str:
        """Of its class."""
        return type(self.new()).__name__

    @property
    def loads(self) -> bool:
        """Whether it has `load(folder)`."""
        return callable(getattr(self.new(), "load", None))

    def parameter_count(self) -> int:
        """Weights of the network that draws, 0 where the generator does not say."""
        count = getattr(self.new(), "parameter_count", None)
        return int(count()) if callable(count) else 0

    def fit(
        self, images: np.ndarray, labels: np.ndarray, *, seed: int, budget: int, resume: Path, report: Report = silent
    ) -> Generator:
        """The fitted generator; see Generator.fit."""
        self.fitted = self.new().fit(images, labels, seed=seed, budget=budget, resume=resume, report=report)
        return self.fitted

    def load(self, folder: Path) -> Generator:
        """The generator that was fitted here, or that its own `load` opens. Raises UpcycleError where there is neither."""
        if self.fitted is None:
            made = self.new()
            if not callable(getattr(made, "load", None)):
                raise UpcycleError(
                    f"generator must be fitted, or have load(folder). Got {type(made).__name__}, which was not fitted in this "
                    "process. Give it that method, or fit again."
                )
            self.fitted = made.load(folder)  # type: ignore[attr-defined]
        return self.fitted

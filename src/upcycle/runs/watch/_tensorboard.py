"""A display that also writes event files for TensorBoard; the extra [tensorboard] brings the writer."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

import numpy as np

from upcycle.errors import ConfigError
from upcycle.runs.watch._display import Display

_MISSING = (
    "tensorboard must be installed to be written to. Got no tensorboardX. Run pip install 'upcycle[tensorboard]', "
    "or leave --tensorboard out; metrics.jsonl is always written."
)


@final
class TensorBoardDisplay(Display):
    """Passes everything on to `inner`, and writes metrics against images seen, and sample images, into `folder`.

    The folder is made by the first stage, so a run that is refused leaves nothing. It belongs into the private half: the
    samples come from a generator that has not been audited. Raises ConfigError at once where the writer is not installed.
    """

    def __init__(self, inner: Display, folder: Path) -> None:
        try:
            from tensorboardX import SummaryWriter
        except ImportError as error:
            raise ConfigError(_MISSING) from error
        self.wants_samples = True
        self._inner, self._folder, self._make = inner, folder, SummaryWriter
        self._writer: Any = None
        self._stage, self._seen = "", 0

    def plan(self, lines: Sequence[str]) -> None:
        self._inner.plan(lines)

    def stage(self, name: str, total_images: int) -> None:
        self._stage, self._seen = name, 0
        self._inner.stage(name, total_images)

    def advance(self, images_seen: int, metrics: Mapping[str, float]) -> None:
        self._seen = images_seen
        for name, value in metrics.items() if images_seen else ():  # at 0 a bank is drawn: progress, not a metric
            self._open().add_scalar(f"{self._stage}/{name}", value, images_seen)
        self._inner.advance(images_seen, metrics)

    def samples(self, images: np.ndarray) -> None:
        self._open().add_images(f"{self._stage}/samples", images, self._seen, dataformats="NHWC")
        if self._inner.wants_samples:
            self._inner.samples(images)

    def done(self, name: str, seconds: float) -> None:
        if self._writer is not None:
            self._writer.flush()
        self._inner.done(name, seconds)

    def note(self, text: str) -> None:
        self._inner.note(text)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._inner.close()

    def _open(self) -> Any:
        if self._writer is None:
            self._writer = self._make(str(self._folder), write_to_disk=True)
        return self._writer

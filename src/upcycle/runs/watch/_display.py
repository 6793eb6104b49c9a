"""What a run shows while it works: a live bar on a terminal, one plain line a minute elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO, final

from upcycle.errors import printable

if TYPE_CHECKING:
    import numpy as np


class Display:
    """Told what it is about to do and how far it is. This one shows nothing; samples are drawn only if it wants them."""

    wants_samples = False

    def plan(self, lines: Sequence[str]) -> None: ...

    def stage(self, name: str, total_images: int) -> None: ...

    def advance(self, images_seen: int, metrics: Mapping[str, float]) -> None: ...

    def samples(self, images: np.ndarray) -> None:
        """Synthetic images uint8 (n, side, side, channels), the classes in turn."""

    def done(self, name: str, seconds: float) -> None:
        """`seconds` 0 means that the stage had been finished before."""

    def note(self, text: str) -> None: ...

    def close(self) -> None:
        """Leave the stream as it was found; also after an interrupt."""


class SilentDisplay(Display):
    """Shows nothing."""


@final
class PlainDisplay(Display):
    """One line at the start and end of a stage, and one a minute between, each behind `prefix`. Off a terminal there are no
    pictures."""

    def __init__(self, stream: TextIO, *, every: float = 60.0, prefix: str = "") -> None:
        self._stream, self._every, self._prefix = stream, every, prefix
        self._name, self._total, self._pace, self._started = "", 0, _Pace(), False
        self._last = time.monotonic()

    def plan(self, lines: Sequence[str]) -> None:
        for line in lines:
            self._say(line)

    def stage(self, name: str, total_images: int) -> None:
        self._name, self._total, self._pace, self._started = name, total_images, _Pace(), False
        self._last = time.monotonic()

    def advance(self, images_seen: int, metrics: Mapping[str, float]) -> None:
        self._pace.note(images_seen)
        if not self._started:  # said here and not by stage(), which is also called for a stage that was finished before
            self._started = True
            self._say(f"{self._name:10} at work")
        if time.monotonic() - self._last >= self._every:
            self._last = time.monotonic()
            self._say(f"{self._name:10} {_progress(images_seen, self._total, self._pace)} {_metrics(metrics)}".rstrip())

    def done(self, name: str, seconds: float) -> None:
        self._say(f"{name:10} " + (f"finished in {_clock(seconds)}" if seconds else "was finished before"))

    def note(self, text: str) -> None:
        self._say(text)

    def _say(self, text: str) -> None:
        print(self._prefix + printable(text), file=self._stream, flush=True)


@final
class RichDisplay(Display):
    """A live bar with rate, time left and the latest metrics; with `thumbnails` sample images above it, on a terminal of
    24-bit colour."""

    def __init__(self, stream: TextIO, *, thumbnails: bool = False) -> None:
        from rich.console import Console

        from upcycle.runs.watch._thumbnails import can_show

        self._console = Console(file=stream, highlight=False)
        self.wants_samples = thumbnails and can_show(self._console)
        self._live: Any = None
        self._name, self._total, self._pace = "", 0, _Pace()

    def plan(self, lines: Sequence[str]) -> None:
        for line in lines:
            self._console.print(printable(line), markup=False)

    def stage(self, name: str, total_images: int) -> None:
        self.close()
        self._name, self._total, self._pace = name, total_images, _Pace()
        self._live = self._console.status(f"{name} ...")
        self._live.start()

    def advance(self, images_seen: int, metrics: Mapping[str, float]) -> None:
        self._pace.note(images_seen)
        if self._live is None:
            return
        bar = _bar(images_seen, self._total)
        self._live.update(f"{self._name} {bar} {_progress(images_seen, self._total, self._pace)} {_metrics(metrics)}")

    def samples(self, images: np.ndarray) -> None:
        from upcycle.runs.watch._thumbnails import thumbnail_rows

        for line in thumbnail_rows(images, self._console.width):
            self._console.print(line)

    def done(self, name: str, seconds: float) -> None:
        self.close()
        self._console.print(f"{name:10} " + (f"{_clock(seconds)}" if seconds else "was finished before"), markup=False)

    def note(self, text: str) -> None:
        self._console.print(printable(text), markup=False)

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None


def make_display(stream: TextIO, *, thumbnails: bool = False) -> Display:
    """A live display on a terminal, plain lines elsewhere; says so where thumbnails were asked for and cannot be shown."""
    display = RichDisplay(stream, thumbnails=thumbnails) if stream.isatty() else PlainDisplay(stream)
    if thumbnails and not display.wants_samples:
        display.note("note         thumbnails need a terminal of 24-bit colour (COLORTERM=truecolor); none are shown")
    return display


class _Pace:
    """Images per second since the first report of this process, so that a resumed stage is not flattered."""

    def __init__(self) -> None:
        self._first: tuple[int, float] | None = None
        self.rate = 0.0

    def note(self, images_seen: int) -> None:
        now = time.monotonic()
        if self._first is None or images_seen < self._first[0]:
            self._first = (images_seen, now)
        elif now > self._first[1]:
            self.rate = (images_seen - self._first[0]) / (now - self._first[1])


def _progress(images_seen: int, total: int, pace: _Pace) -> str:
    if not total:
        return ""
    left = f", {_clock(max(total - images_seen, 0) / pace.rate)} left" if pace.rate else ""
    rate = f" ({pace.rate:.0f}/s{left})" if pace.rate else ""
    return f"{images_seen:,} of {total:,} images{rate}"


def _bar(images_seen: int, total: int, width: int = 24) -> str:
    filled = round(width * min(1.0, images_seen / total)) if total else 0
    return "━" * filled + "╌" * (width - filled)


def _metrics(metrics: Mapping[str, float]) -> str:
    return "  ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in metrics.items())


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"

"""Stand-ins that several tests share: each exists once."""

from __future__ import annotations

import io
import signal
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from subprocess import CompletedProcess
from typing import Self

import numpy as np
import pytest

from upcycle.data import ImageSet
from upcycle.generators import Snapshot


class Terminal(io.StringIO):
    """A text stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def upcycle(*arguments: str | Path) -> CompletedProcess[str]:
    """What the program's entry point says and ends with, in this process: a new one takes seconds to import what it needs."""
    from upcycle.cli import main

    words, before = [str(word) for word in arguments], signal.getsignal(signal.SIGTERM)
    out, error = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(error), pytest.raises(SystemExit) as ended:
        main(words)
    signal.signal(signal.SIGTERM, before)
    return CompletedProcess(words, int(ended.value.code or 0), out.getvalue(), error.getvalue())


def stripes(n: int, seed: int = 0) -> ImageSet:
    """8x8 images under noise: class 0 has horizontal stripes, class 1 vertical ones."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    wave = 70 * np.sin(np.arange(8) * 2.1)
    images = np.where(labels[:, None, None], wave[None, None, :], wave[None, :, None])
    return ImageSet(np.clip(128 + images + rng.normal(0, 20, (n, 8, 8)), 0, 255).astype(np.uint8)[..., None], labels)


class Painter:
    """A generator that needs no training. Image k follows from its class and index: `paint` says how; `asked` counts."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def fit(self, images: np.ndarray, labels: np.ndarray, **how: object) -> Self:
        return self

    def snapshots(self) -> Sequence[Snapshot]:
        return [Snapshot(1, Path())]

    def sample(
        self,
        labels: np.ndarray,
        *,
        seed: int,
        spread: float = 1.0,
        indices: np.ndarray | None = None,
        snapshot: Snapshot | None = None,
    ) -> np.ndarray:
        rows = np.arange(len(labels)) if indices is None else np.asarray(indices)
        self.asked += rows.tolist()
        return self.paint(np.asarray(labels), rows)

    def paint(self, labels: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """uint8 (n, height, width, channels): here, the stripes of the class."""
        both = [stripes(2, int(row)).images[label] for row, label in zip(rows, labels, strict=True)]
        return np.stack(both)


class Numbers(Painter):
    """2x2 images whose pixels spell the index and the label."""

    def paint(self, labels: np.ndarray, rows: np.ndarray) -> np.ndarray:
        out = np.zeros((len(labels), 2, 2, 1), np.uint8)
        out[:, 0, 0, 0], out[:, 0, 1, 0], out[:, 1, 1, 0] = rows % 256, rows // 256, labels
        return out


class NoisyPainter(Painter):
    """Paints class k as brightness 50 + 100 k. Of every three draws one shows the other class; `collapsed` is never right."""

    def __init__(self, collapsed: int | None = None) -> None:
        super().__init__()
        self.collapsed = collapsed

    def paint(self, labels: np.ndarray, rows: np.ndarray) -> np.ndarray:
        wrong = (rows % 3 == 0) | (labels == self.collapsed)
        shown = np.where(wrong, 1 - labels, labels)
        return np.broadcast_to((50 + 100 * shown)[:, None, None, None], (len(labels), 4, 4, 1)).astype(np.uint8)

"""What a kind of hostile file is, and what several of them are made by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MOST = 9_900_000  # bytes of all files of a kind


@dataclass(frozen=True)
class Kind:
    """`make` writes files below a folder, `read` gives them to a loader."""

    make: Callable[[Path], None]
    read: Callable[[Path], None]


Kinds = Mapping[str, Kind]


def checked(name: str = "data", **settings: Any) -> Callable[[Path], None]:
    """As `upcycle check` reads, which keeps no image."""
    return _reading("survey", name, settings)


def whole(name: str = "data", **settings: Any) -> Callable[[Path], None]:
    """As a run reads, which keeps all images."""
    return _reading("read", name, settings)


def _reading(how: str, name: str, settings: dict[str, Any]) -> Callable[[Path], None]:
    def read(place: Path) -> None:
        from upcycle import data
        from upcycle.config import DataConfig

        config = DataConfig.model_validate({"min_images_per_class": 2, **settings})
        groups = place / "groups.csv"
        data.check(
            getattr(data, how)(place / name, config=config, seed=0, groups_csv=groups if groups.exists() else None)
        ).lines()

    return read


def in_classes(files: Callable[[], list[bytes]], suffix: str, most: int = 30) -> Callable[[Path], None]:
    """Writes the files into two class folders, as many times as MOST allows, up to `most` in all; a second file may be empty."""

    def make(place: Path) -> None:
        ladder = files()
        times = min(max(most // len(ladder), 1), MOST // sum(map(len, ladder)))
        assert times, f"{sum(map(len, ladder))} bytes"
        for k, content in enumerate(ladder * times if times * len(ladder) > 1 else [*ladder, b""]):
            path = place / "data" / "ab"[k % 2] / f"{k:02}{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    return make

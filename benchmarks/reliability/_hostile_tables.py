"""Tables and documents that are small and become large when they are parsed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.reliability._hostile_arrays import _scores
from benchmarks.reliability._hostile_kind import Kind, Kinds, checked


def _images(place: Path, name: str = "data") -> Path:
    from benchmarks._fuzz_targets import IMAGES, _picture

    folder = place / name
    folder.mkdir()
    for k, image in enumerate(IMAGES):
        (folder / f"{k}.png").write_bytes(_picture("PNG")(image))
    return folder


def _labels(place: Path, text: Callable[[], str]) -> None:
    (_images(place) / "labels.csv").write_text(text())


def _groups(place: Path, text: Callable[[], str]) -> None:
    rng = np.random.default_rng(0)
    np.savez(place / "data.npz", images=rng.integers(0, 255, (60, 8, 8), dtype=np.uint8), labels=np.arange(60) % 2)
    (place / "groups.csv").write_text(text())


def _file(place: Path, name: str, text: Callable[[], str]) -> None:
    (place / name).write_text(text())


_SOUND = "".join(f"{k}.png,{'ab'[k % 2]}\n" for k in range(24))
_WIDE = "file,class," + ",".join(f"c{k}" for k in range(40)) + "\n"
_LABELS: dict[str, Callable[[], str]] = {
    "labels of many rows": lambda: f"file,class\n{_SOUND}" + "1,2\n" * 2_400_000,
    "labels of a million rows": lambda: f"file,class\n{_SOUND}" + "1,2\n" * 990_000,
    "labels of commas": lambda: "file,class\n" + "," * 9_800_000 + "\n",
    "labels of a long header": lambda: "file,class" + "," * 4_900_000 + "\n1,2" + "," * 4_900_000 + "\n",
    "labels of short rows": lambda: _WIDE + "1\n" * 990_000,
    "labels of many classes": lambda: "file,class\n" + "".join(f"{k % 24}.png,c{k}\n" for k in range(600_000)),
    "labels of long classes": lambda: "file,class\n" + "".join(f"{k}.png,{'y' * 400_000}{k}\n" for k in range(24)),
    "labels in an open quote": lambda: 'file,class\n"' + "a,b\n" * 2_400_000,
}
_GROUPS: dict[str, Callable[[], str]] = {
    "groups of many rows": lambda: "row,patient\n" + "".join(f"{k},p{k}\n" for k in range(600_000)),
    "groups of short rows": lambda: "row,patient,".ljust(4000, "c") + "\n" + "1\n" * 990_000,
}
_TABLES: dict[str, Callable[[], str]] = {
    "score table of rows": lambda: "member,scores\n" + "1,2\n0,3\n" * 490_000,
    "score table of one column": lambda: "member\n" + "1\n" * 4_900_000,
    "score table of columns": lambda: (
        "member," + ",".join(f"s/{k}" for k in range(400_000)) + ",z/z\n" + "1," * 400_000 + "1,1\n" + "0," * 400_000 + "1,1\n"
    ),
    "score table of commas": lambda: "member,scores\n" + "," * 9_800_000 + "\n",
    "score table of logits": lambda: (
        "member,labels," + ",".join(f"logits/{k}" for k in range(100)) + "\n" + ("1,0," + ",".join("1" * 100) + "\n") * 45_000
    ),
    "score table of ids": lambda: "member,scores,ids\n" + "".join(f"1,2,{k}\n" for k in range(850_000)),
    "score table with decimal commas": lambda: "member;scores\n" + "1;2,5\n0;3,5\n" * 490_000,
}
_YAML: dict[str, Callable[[], str]] = {
    "settings of numbers": lambda: "a: [" + "1," * 130_000 + "]",
    "settings of keys": lambda: "".join(f"{k}: 1\n" for k in range(26_000)),
    "settings beyond the limit": lambda: "[]," * 3_000_000,
    "settings of documents": lambda: "---\n" * 60_000,
    "settings of anchors": lambda: "&a " * 80_000,
    "settings that stand for more": lambda: "a: &a [x,x]\n" + "".join(f"b{k}: &b{k} [*a,*a,*b{k - 1}]\n" for k in range(1, 99)),
}


def _settings(place: Path) -> None:
    from upcycle._settings import resolve

    resolve(None, config_file=place / "config.yaml", overrides=[])


def _override(place: Path) -> None:
    from upcycle._settings import resolve

    resolve(None, config_file=None, overrides=[(place / "override").read_text()])


TABLES: Kinds = {
    **{name: Kind(partial(_labels, text=text), checked()) for name, text in _LABELS.items()},
    **{name: Kind(partial(_groups, text=text), checked("data.npz")) for name, text in _GROUPS.items()},
    **{name: Kind(partial(_file, name="data.csv", text=text), _scores) for name, text in _TABLES.items()},
    **{name: Kind(partial(_file, name="config.yaml", text=text), _settings) for name, text in _YAML.items()},
    "override": Kind(partial(_file, name="override", text=lambda: "generator.channels=[" + "1," * 120_000 + "]"), _override),
}

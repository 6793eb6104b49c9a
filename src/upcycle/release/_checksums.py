"""SHA-256 of every file of a release, in the format that `sha256sum --check` reads."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Final

SUMS: Final = "SHA256SUMS"


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files(folder: Path) -> list[Path]:
    """Every file of a release but its list of checksums, sorted by path."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / SUMS)


def write_checksums(folder: Path) -> Path:
    """Write (again) the list of checksums of everything in `folder`, whole or not at all."""
    partial = folder / f"{SUMS}.partial"
    partial.unlink(missing_ok=True)
    lines = [f"{sha256(path)}  {path.relative_to(folder).as_posix()}\n" for path in files(folder)]
    partial.write_text("".join(lines), encoding="utf-8")
    os.replace(partial, folder / SUMS)
    return folder / SUMS

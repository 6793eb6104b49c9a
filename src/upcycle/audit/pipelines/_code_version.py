"""Which code made a kept run, so that an audit which mixes runs of several versions says so."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Final

import numpy as np

UNKNOWN: Final = "code that was not noted"


VERSIONS: Final = "code versions"


MADE_BY: Final = "share of runs by "


@cache
def code_version() -> str:
    """The package's version and a hash of all its Python sources: another one after any change, also one nobody committed."""
    return f"upcycle {metadata.version('upcycle')}, sources {sources_hash(Path(__file__).parents[2])}"


def sources_hash(package: Path) -> str:
    """Eight hexadecimal digits over names and bytes of all .py files below `package`."""
    found = hashlib.blake2b(digest_size=4)
    for path in sorted(package.rglob("*.py"), key=lambda path: path.relative_to(package).as_posix()):
        content = path.read_bytes()
        found.update(f"{path.relative_to(package).as_posix()} {len(content)}\n".encode())
        found.update(content)
    return found.hexdigest()


def code_facts(made_by: Sequence[str]) -> dict[str, np.ndarray]:
    """For every run, given the code that made it: the number of versions among all, and 1.0 under its own version's name, whose
    mean is that version's share."""
    codes = np.array(made_by)
    shares = {f"{MADE_BY}{code}": (codes == code).astype(np.float64) for code in sorted(set(made_by))}
    return {VERSIONS: np.full(len(codes), float(len(shares))), **shares}

"""Lists made from pyproject.toml for the tests. Needs only the standard library, because it runs before any install.

python scripts/requirements.py lowest          # every direct dependency at its lower bound, as a constraints file
python scripts/requirements.py quick           # what `make quick` installs: out of the locks, with hashes
python scripts/requirements.py without-torch   # the same by name, for versions that the locks do not hold
python scripts/requirements.py without-gpu     # a lock file from standard input, for `make lock`
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parent.parent
LOCKS = ("requirements.lock", "requirements-dev.lock")
WITHOUT = ("torch",)
TOOLS = ("pytest", "pytest-xdist", "hypothesis")
OF_TOOLS = ("iniconfig", "execnet", "sortedcontainers", "attrs", "colorama")  # what they need and upcycle does not


def name_of(requirement: str) -> str:
    """The package that a requirement such as `numpy>=2.1` names."""
    return re.split(r"[\s<>=!~;\[]", requirement, maxsplit=1)[0]


def lowest(requirements: Iterable[str]) -> list[str]:
    """`name==bound` of every requirement `name>=bound`, sorted. A requirement without a lower bound is an error."""
    pinned = set()
    for requirement in requirements:
        found = re.match(r"([A-Za-z0-9_.-]+)>=([0-9][0-9a-z.]*)", requirement.replace(" ", ""))
        if found is None:
            raise SystemExit(f"requirement must be NAME>=VERSION. Got {requirement!r}. Add a lower bound in pyproject.toml.")
        pinned.add(f"{found[1]}=={found[2]}")
    return sorted(pinned, key=str.lower)


def without_gpu(lock: str) -> list[str]:
    """The blocks of a lock file but torch, which is chosen apart, and what only its builds for GPUs need."""
    return [block for block in _blocks(lock) if not re.match(r"(torch|triton|nvidia-|cuda-)", block)]


def quick(lock: str, development: str) -> list[str]:
    """The blocks, with hashes, of a lock without torch, and of the tools for tests out of the lock for development."""
    blocks = [block for block in _blocks(development) if name_of(block).lower() in (*TOOLS, *OF_TOOLS)]
    return list(dict.fromkeys([*_blocks(lock), *blocks]))


def _blocks(lock: str) -> list[str]:
    return re.split(r"\n(?=\S)", lock.strip())


def main(wanted: str) -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    core, development = declared["project"]["dependencies"], declared["dependency-groups"]["dev"]
    extras = [one for extra in declared["project"]["optional-dependencies"].values() for one in extra]
    if wanted == "lowest":
        print("\n".join(lowest([*core, *extras])))
    elif wanted == "without-torch":
        tools = [one for one in development if name_of(one) in TOOLS]
        print(*(name_of(one) for one in [*core, *tools] if name_of(one) not in WITHOUT))
    elif wanted == "quick":
        print("\n".join(quick(*((ROOT / name).read_text(encoding="utf-8") for name in LOCKS))))
    elif wanted == "without-gpu":
        print("\n".join(without_gpu(sys.stdin.read())))
    else:
        raise SystemExit(f"list must be lowest, quick, without-torch or without-gpu. Got {wanted!r}.")


if __name__ == "__main__":
    main(*sys.argv[1:2] or [""])

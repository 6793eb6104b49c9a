"""Which code made a kept run, so that an audit which mixes runs of several versions says so."""

import hashlib
from functools import cache
from importlib import metadata
from pathlib import Path


@cache
def code_version() -> str:
    """The package's version and a hash of all its Python sources: another one after any change, also one nobody committed."""
    return f"upcycle {metadata.version('upcycle')}, sources {sources_hash(Path(__file__).parent)}"


def sources_hash(package: Path) -> str:
    """Eight hexadecimal digits over names and bytes of all .py files below `package`."""
    found = hashlib.blake2b(digest_size=4)
    for path in sorted(package.rglob("*.py"), key=lambda path: path.relative_to(package).as_posix()):
        content = path.read_bytes()
        found.update(f"{path.relative_to(package).as_posix()} {len(content)}\n".encode())
        found.update(content)
    return found.hexdigest()

"""SHA-256 of every file of a release, in the format that `sha256sum --check` reads."""

from pathlib import Path
from typing import Final

from upcycle._files import check_hash, sha256, sweep, write_text
from upcycle.errors import DamagedFileError

SUMS: Final = "SHA256SUMS"
REMAKE: Final = "Make the release again with upcycle release RUN."


def files(folder: Path) -> list[Path]:
    """Every file of a release but its list of checksums, sorted by path."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / SUMS)


def write_checksums(folder: Path) -> Path:
    """Write (again) the list of checksums of everything in `folder`, durably."""
    sweep(folder)
    lines = [f"{sha256(path)}  {path.relative_to(folder).as_posix()}\n" for path in files(folder)]
    write_text(folder / SUMS, "".join(lines))
    return folder / SUMS


def check_sums(folder: Path) -> None:
    """Raise DamagedFileError, with the command that makes the release again, unless it holds the files of its list, unchanged,
    and no other."""
    try:
        text = (folder / SUMS).read_text(encoding="utf-8")
        listed = {name: known for known, name in (line.split("  ", 1) for line in text.splitlines())}
    except (FileNotFoundError, ValueError) as error:
        raise DamagedFileError(folder / SUMS, "none that can be read", REMAKE) from error
    if not text.endswith("\n"):
        raise DamagedFileError(folder / SUMS, "a list that was cut", REMAKE)
    for name, known in listed.items():
        check_hash(folder / name, known, REMAKE, f"stands in {SUMS}")  # either may be the damaged one
    more = [path for path in files(folder) if path.relative_to(folder).as_posix() not in listed]
    if more:
        raise DamagedFileError(more[0], "a file that is not in SHA256SUMS", REMAKE)

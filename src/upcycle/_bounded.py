"""Files that others may have made, read within limits: a small file must not be able to fill the memory."""

import csv
import io
import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml


@dataclass(frozen=True)
class Limits:
    """How much of a file that others made is read. With the defaults, reading 10 MB takes no more than 500 MB above what
    the process has when its libraries are loaded; `python -m benchmarks.reliability memory` measures it.

    Attributes:
        unpacked_mb: what a compressed file may always unpack to, in MB (2^20 bytes).
        unpacked_ratio: a large file may unpack to this multiple of its size, less `unpacked_mb`.
        text_mb: size of a JSON file, in MB; parsed values take up to 30 times as much.
        yaml_kb: size of a YAML file, in kB.
        entries: files in one archive.
        rows: of a table; a row of one letter takes 100 times its size. Large tables may have one for every 20 bytes.
    """

    unpacked_mb: float = 200
    unpacked_ratio: float = 40
    text_mb: float = 8
    yaml_kb: float = 256
    entries: int = 10_000
    rows: int = 1_000_000

    def allowed(self, packed: int) -> float:
        """Bytes that a file of `packed` bytes may unpack to."""
        free = self.unpacked_mb * 2**20
        return max(free, self.unpacked_ratio * packed - free)


DEFAULT: Final = Limits()
OWN: Final = Limits(text_mb=64)  # of what a run wrote: the manifest of a release may name 500,000 files


class TooLarge(ValueError):
    """More than the limits allow; the text says how much, in a few words."""


class Aliased(TooLarge):
    """YAML with aliases, of which a few lines can stand for billions of values."""


def check_unpacked(unpacked: int, packed: int, limits: Limits) -> None:
    """Raise TooLarge for a file of `packed` bytes that would unpack to more than `limits` allow."""
    if unpacked > limits.allowed(packed):
        raise TooLarge(f"one of {packed / 1e6:.1f} MB that would unpack to {unpacked / 1e9:.1f} GB, which looks like a bomb")


class NotAFile(ValueError):
    """A pipe, a device or a socket, which may never end, or end the process that reads it."""


def opened(path: Path) -> io.BufferedReader:
    """An ordinary file, open for reading. Raises NotAFile for anything else that has bytes, without waiting for them, and
    OSError."""
    number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    file = os.fdopen(number, "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise NotAFile("a pipe or a device, not a file: save what it gives in a file")
    return file


def read_json(path: Path, limits: Limits = DEFAULT) -> Any:
    """The value in `path`. Raises ValueError, with few words, for no JSON or too much of it, and OSError."""
    with opened(path) as file:
        return parse_json(file.read(int(limits.text_mb * 2**20) + 1), limits)


def parse_json(content: bytes | bytearray, limits: Limits = DEFAULT) -> Any:
    """The value in `content`. Raises ValueError, with few words, for no JSON or too much of it."""
    if len(content) > limits.text_mb * 2**20:
        raise TooLarge(f"more than {limits.text_mb:g} MB of JSON")
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("JSON nested too deeply") from None


def csv_rows(text: str, delimiter: str, limits: Limits = DEFAULT) -> Iterator[list[str]]:
    """Rows of cells, stripped of spaces; no blank lines. Raises csv.Error, and TooLarge for more than `limits` allow."""
    most = max(limits.rows, len(text) // 20)
    for k, row in enumerate(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)):
        if k >= most:
            raise TooLarge(f"more than {most:,} rows of next to nothing")
        cells = [cell.strip() for cell in row]
        if cells not in ([], [""]):
            yield cells


_DEEPEST = 20  # settings are three levels deep; PyYAML takes minutes for thousands of open brackets


def parse_yaml(text: str, limits: Limits = DEFAULT) -> Any:
    """The value of `text`. Raises ValueError, with few words, for anything that is no plain YAML within `limits`."""
    if len(text) > limits.yaml_kb * 1024:
        raise TooLarge(f"more than {limits.yaml_kb:g} kB of YAML")
    try:
        _check_events(text)
        return yaml.safe_load(text)
    except TooLarge:
        raise
    except (yaml.YAMLError, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"it does not parse ({one_line(error)})") from None


def _check_events(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise Aliased("YAML aliases")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise TooLarge(f"YAML nested more than {_DEEPEST} deep")


def one_line(error: BaseException, most: int = 80) -> str:
    """What `error` says, on one line, without the full stop; its type where it says nothing."""
    text = " ".join(str(error).split()) or type(error).__name__
    return "".join(c if c.isprintable() else "?" for c in text[:most]).rstrip(".,: ")


def shortened(value: object, most: int = 80) -> str:
    """`repr` of `value` on one line, cut where it is long: a stranger's value may be a million digits."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # digits beyond what Python prints, or too deep
        text = "what is too long to print"
    return text if len(text) <= most else f"{text[:most]}... ({len(text):,} characters)"

"""What a reader is given and what it gives back: images as found, before anything is checked or changed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from upcycle._bounded import Limits
from upcycle.config import DataConfig
from upcycle.data.readers._sketch import Sketch
from upcycle.errors import DataError, printable

COPIES: Final = 1.75  # by which all pixels of a set are counted: while they are cut into splits they are held more than once


@dataclass(frozen=True)
class Findings:
    """Problems (refused) and notes (accepted, but said), collected while reading."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def problem(self, what: str, allowed: str, got: object, then: str) -> None:
        """Add the line `<what> must be <allowed>. Got <got>. <then>`."""
        self.problems.append(printable(f"{what} must be {allowed}. Got {got}. {then}"))

    def note(self, text: str) -> None:
        """Add a line once, however often it occurs."""
        text = printable(text)
        if text not in self.notes:
            self.notes.append(text)

    def count(self, what: str, number: int = 1) -> None:
        """Add `number` images (or files) to those that the line `what` counts at the end."""
        if number:
            what = printable(what)
            self.counts[what] = self.counts.get(what, 0) + number

    def said(self) -> tuple[str, ...]:
        """All notes, those that count things last."""
        return (*self.notes, *(f"{what}: {number}" for what, number in self.counts.items()))


def shown(names: Iterable[str], most: int = 5) -> str:
    """The first few of `names`, and how many more there are."""
    names = list(names)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


@dataclass(frozen=True)
class RawSplit:
    """One split as found.

    Attributes:
        name: train, validation, test, or "all" where the source has no splits: they are then cut.
        images: (n, h, w) or (n, h, w, 1 or 3).
        labels: (n,) or (n, 1), of any type of number.
        groups: (n,) ids of any type, equal where images are of one patient.
        names: (n,) what a groups file calls the images; without them it counts rows.
        class_names: what labels 0, 1, 2 ... of this split are called, where splits may number their classes differently.
        sketch: stands for images that were not kept; `images` are then its stand-in.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray
    groups: np.ndarray | None = None
    names: tuple[str, ...] | None = None
    class_names: tuple[str, ...] | None = None
    sketch: Sketch | None = None


@dataclass(frozen=True)
class RawImages:
    """What a reader returns. `class_names` says how label 0, 1, 2 ... is called; `name` replaces the name of the file; `kind`
    says what the images were files of, for whoever prepares later ones alike."""

    splits: Sequence[RawSplit]
    class_names: tuple[str, ...] | None = None
    name: str | None = None
    kind: Literal["array", "picture", "scan", "volume"] = "array"


@dataclass
class Held:
    """Bytes of the files read so far, and of what they became."""

    packed: int = 0
    unpacked: int = 0


@dataclass(frozen=True)
class Source:
    """What a reader is given: `text` is DATA as typed, without the `NAME:` of a named reader, and `path` the same as a path.

    Where `keep` is False a reader may give a Sketch of the images in their place: it is asked for a check only.

    A reader says what it changed with `findings.note(...)`, and what cannot be used with `findings.problem(...)`, so that all
    problems come out at once; where nothing can be read at all it raises DataError.
    """

    text: str
    settings: DataConfig = field(default_factory=DataConfig)
    findings: Findings = field(default_factory=Findings)
    keep: bool = True
    held: Held = field(default_factory=Held)

    @property
    def path(self) -> Path:
        return Path(self.text)

    @property
    def limits(self) -> Limits:
        """How far the files may unpack."""
        return Limits(unpacked_mb=self.settings.unpacked_mb, unpacked_ratio=self.settings.unpacked_ratio)

    def check_unpacked(self, unpacked: int, packed: int, *, copies: float = 1) -> None:
        """Raise DataError where files of `packed` bytes in all unpack to more than the settings allow, `copies` times over."""
        if copies * unpacked > self.limits.allowed(packed):
            got = f"{packed / 1e6:.1f} MB that would unpack to {unpacked / 1e9:.1f} GB, which looks like a bomb"
            then = "Set data.side to make images smaller, or raise data.unpacked_mb where the memory suffices."
            raise DataError(f"{self.path} must be files of images. Got {got}. {then}")

    def hold(self, unpacked: int, packed: int) -> None:
        """Count what is kept until all is read. Raises DataError where that is more than the files so far may unpack to."""
        self.held.packed, self.held.unpacked = self.held.packed + packed, self.held.unpacked + unpacked
        if COPIES * self.held.unpacked > self.limits.allowed(0):
            self.check_unpacked(self.held.unpacked, self.held.packed, copies=COPIES)

    def fits(self, work: float, packed: int) -> bool:
        """Whether `work` bytes may be taken, while a file of `packed` bytes is decoded, next to what is kept of others."""
        return work + self.held.unpacked <= 2 * self.limits.allowed(self.held.packed + packed)

    def check_work(self, work: float, packed: int) -> None:
        """Raise DataError where decoding a file of `packed` bytes takes more than `fits`."""
        if not self.fits(work, packed):
            self.check_unpacked(int(work) + self.held.unpacked, self.held.packed + packed, copies=0.5)

    def folder(self) -> Path:
        """The path of a folder that is there. Raises DataError for anything else, the empty text included."""
        try:
            there = bool(self.text) and self.path.exists()
        except (OSError, ValueError):  # too long, or with a zero byte
            there = False
        if there and self.path.is_dir():
            return self.path
        got = f"{self.text[:200]!r}, {'which is no folder' if there else 'which is not there'}"
        raise DataError(f"data must be an existing folder for this reader. Got {got}. Check the path.")


def plain_array(what: str, given: Any) -> np.ndarray:
    """`given`, an array, lists of numbers or a tensor, as an array. Raises DataError for rows of different lengths, for masked
    values, which would come back, and for a type that NumPy does not have."""
    if np.ma.is_masked(given):
        raise DataError(f"{what} must be whole. Got an array with masked values. Fill or remove them.")
    first = given[0] if isinstance(given, list | tuple) and given else given
    if hasattr(first, "getbands"):  # the numbers of a Pillow image may be rows of a palette, or lie on their side
        raise DataError(f"{what} must be numbers. Got images of Pillow. Use from_torch on pairs of image and class.")
    given = given.detach().cpu() if hasattr(given, "detach") else given
    try:
        array: np.ndarray = np.asarray(given)
    except ValueError:
        raise DataError(f"{what} must be one array. Got rows of different shapes. Bring them to one shape.") from None
    except (TypeError, RuntimeError):  # of tensors
        got = f"{type(given).__name__} of {getattr(given, 'dtype', 'another kind')}"
        raise DataError(
            f"{what} must be a dense array of a type of NumPy. Got {got}. Convert it, as by .float() or .to_dense()."
        ) from None
    return array

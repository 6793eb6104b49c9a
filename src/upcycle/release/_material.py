"""What a release is made of, and what the user asked for, licence included. Nothing here knows where a run keeps its files."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Literal, get_args

import numpy as np
from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from torch import nn

from upcycle.audit.copies import DistanceHistogram
from upcycle.data import Preprocess
from upcycle.errors import ConfigError
from upcycle.release._budget import Budget


def canonical_licence(text: str) -> str:
    """The SPDX expression in its canonical spelling ("apache-2.0" gives "Apache-2.0"). Raises ConfigError."""
    try:
        return str(canonicalize_license_expression(text))
    except InvalidLicenseExpression as error:
        raise ConfigError(
            f"licence must be an SPDX expression. Got {text!r}. For example Apache-2.0, CC-BY-4.0 or LicenseRef-Ours."
        ) from error


def hub_licence(licence: str | None) -> dict[str, str]:
    """The front-matter fields of a licence: the hub's lower-case word, or "other" and a name."""
    if licence is None:
        return {"license": "other", "license_name": "none-chosen"}
    if " " in licence or licence.startswith("LicenseRef-"):
        return {"license": "other", "license_name": licence}
    return {"license": licence.lower()}


def licence_url(licence: str | None) -> str | None:
    """The page of a single SPDX licence; the expression itself where it has none."""
    if licence is None or " " in licence or licence.startswith("LicenseRef-"):
        return licence
    return f"https://spdx.org/licenses/{licence}.html"


Format = Literal["npz", "folders", "webdataset", "parquet"]
Prior = Literal["balanced", "members"]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)
PRIORS: Final[tuple[Prior, ...]] = get_args(Prior)
_ONNX = ("onnx", "onnxscript", "onnxruntime")


@dataclass(frozen=True)
class ReleaseOptions:
    """What leaves, and how.

    Attributes:
        images: of the synthetic set; 0: none.
        prior: equally many images of every class, or the members' shares.
        formats: of the synthetic set.
        onnx: whether the student leaves as this program too; None: if that can be done, and the release says if it cannot.
        torch_export: the same of torch.export.
        distilled: images seen by a generator that leaves too, which learns from the synthetic set alone; 0: none leaves; None:
            as the run's setting release.distilled says.
        licence: an SPDX expression.
        accept_risk: why it leaves although the audit says no.
    """

    images: int = 2_000
    prior: Prior = "balanced"
    formats: tuple[Format, ...] = ("npz",)
    onnx: bool | None = None
    torch_export: bool | None = None
    distilled: int | None = None
    licence: str | None = None
    accept_risk: str | None = None

    def __post_init__(self) -> None:
        """Raise ConfigError with every problem at once; the licence is brought to its canonical spelling."""
        if problems := _type_problems(self):
            raise ConfigError(*problems)
        problems = [*_range_problems(self), *_extra_problems(self)]
        if self.licence is not None:
            try:
                object.__setattr__(self, "licence", canonical_licence(self.licence))
            except ConfigError as error:
                problems += error.problems
        if problems:
            raise ConfigError(*problems)


def onnx_missing() -> list[str]:
    """Packages of the extra `onnx` that are not installed."""
    return [name for name in _ONNX if find_spec(name) is None]


def _type_problems(asked: ReleaseOptions) -> list[str]:
    kinds: dict[str, tuple[Any, str]] = {
        **{"images": (int, "a whole number"), "prior": (str, "a text"), "formats": (list | tuple, "a tuple of formats")},
        **dict.fromkeys(("onnx", "torch_export"), (bool | None, "True or False")),
        "distilled": (int | None, "a whole number"),
        **dict.fromkeys(("licence", "accept_risk"), (str | None, "a text")),
    }
    return [
        f"{name} must be {words}. Got {type(value).__name__}. See help(ReleaseOptions)."
        for name, (kind, words) in kinds.items()
        if not isinstance(value := getattr(asked, name), kind)
    ]


def _range_problems(asked: ReleaseOptions) -> list[str]:
    problems = []
    if asked.images < 0:
        problems.append(f"images must be 0 or more. Got {asked.images}. 0 leaves the synthetic set out.")
    if asked.prior not in PRIORS:
        problems.append(f"prior must be one of {', '.join(PRIORS)}. Got {asked.prior!r}. See `upcycle release --help`.")
    if asked.images > 0 and not asked.formats:
        problems.append("formats must be at least one where images are asked for. Got none. Name one or set images to 0.")
    if asked.distilled is not None and (asked.distilled < 0 or (asked.distilled and not asked.images)):
        then = "It learns from the synthetic set: set images too." if asked.distilled > 0 else "0 releases no generator."
        problems.append(f"distilled must be 0 or more, and 0 without images. Got {asked.distilled}. {then}")
    for name in asked.formats:
        if name not in FORMATS:
            problems.append(f"format must be one of {', '.join(FORMATS)}. Got {name!r}. See `upcycle release --help`.")
    if asked.accept_risk is not None and not asked.accept_risk.strip():
        problems.append("accept-risk must be a reason in words. Got an empty one. It is written into the cards.")
    return problems


def _extra_problems(asked: ReleaseOptions) -> list[str]:
    wanted = {"onnx": _ONNX if asked.onnx else (), "parquet": ("pyarrow",) if "parquet" in asked.formats else ()}
    missing = {extra: [name for name in names if find_spec(name) is None] for extra, names in wanted.items()}
    return [
        f"{extra} must have its libraries installed. Got no {', '.join(names)}. Run: pip install 'upcycle[{extra}]'."
        for extra, names in missing.items()
        if names
    ]


@dataclass(frozen=True, eq=False)
class Material:
    """One finished run, as far as it may leave.

    Attributes:
        student: maps float (n, channels, side, side) in [-1, 1] to logits (n, classes).
        architecture: what config.json says of it.
        channels: 1 or 3.
        size: side of the images in pixels.
        classes: number of classes.
        class_names: in the order of the logits.
        draw: (labels, numbers) -> uint8 (n, side, side, channels), image k a pure function of labels[k] and numbers[k].
        soft_labels: images -> float (n, classes), rows summing to 1: the teacher's softmax at `temperature`.
        shares: part of the set that each class gets, (classes,).
        audit: aggregates only.
        evaluation: aggregates only.
        copies: aggregates only.
        compare: the first images of the set -> `DistanceHistogram` of private records, or None; left out: it is not published.
        budget: what may be revealed; None: whatever the verdict lets out.
        private_hashes: `image_hash` of the private images: no image with one of these leaves.
        distil: (images of the set, their classes, images to see, folder) -> what its card says of the generator that it left in
            the folder; None: it cannot be made.
        preprocess: how images become what the student sees; left out for uint8 images as they are.
        report: the shareable report, which may not be there.
        judged: name -> SHA-256 of what the audit judged.
        versions: of the libraries.
        temperature: of the soft labels.
        levels: they are rounded to multiples of 1 / levels; 0: not rounded.
    """

    student: nn.Module
    architecture: Mapping[str, Any]
    channels: int
    size: int
    classes: int
    class_names: tuple[str, ...]
    draw: Callable[[np.ndarray, np.ndarray], np.ndarray]
    soft_labels: Callable[[np.ndarray], np.ndarray]
    shares: np.ndarray
    audit: Mapping[str, Any] | None = None
    evaluation: Mapping[str, Any] | None = None
    copies: Mapping[str, Any] | None = None
    compare: Callable[[np.ndarray], DistanceHistogram | None] = lambda _: None
    budget: Budget | None = None
    private_hashes: frozenset[bytes] = frozenset()
    distil: Callable[[np.ndarray, np.ndarray, int, Path], Mapping[str, Any]] | None = None
    preprocess: Preprocess = None  # type: ignore[assignment]  # set below, where it was left out
    report: Path | None = None
    judged: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    temperature: float = 1.0
    levels: int = 0

    def __post_init__(self) -> None:
        if self.preprocess is None:
            channels: Any = self.channels
            object.__setattr__(self, "preprocess", Preprocess(channels, self.size))

    @property
    def names(self) -> tuple[str, ...]:
        """A name for every class; its number where the data set had none."""
        return self.class_names or tuple(str(label) for label in range(self.classes))

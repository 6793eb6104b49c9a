"""The released classifier as weights and facts, and the way back. Opens tensors and checked facts only, never code."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar, cast, final

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from upcycle._arguments import typed
from upcycle._bounded import one_line, read_json, shortened
from upcycle._files import json_text
from upcycle._weights import check_sum, save_weights
from upcycle.config import ClassifierConfig
from upcycle.data import Inputs, Preprocess, checked, prepare_images, printable
from upcycle.errors import UpcycleError
from upcycle.nets import ClassifierFactory, classifier_factory, predict_logits

RESIDUAL: Final = "residual-classifier"  # how a release names our own network family
WEIGHTS: Final = "model.safetensors"
FACTS: Final = "config.json"
_DTYPES: Final = {torch.float32: "F32", torch.int64: "I64"}  # of our family's tensors, as safetensors calls them


class Sizes(BaseModel):
    """What config.json says of every released student. The limits keep a hostile file from asking for the whole memory."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)
    channels: int = Field(ge=1, le=3)
    size: int = Field(ge=1, le=4_096)
    classes: int = Field(ge=1, le=100_000)
    class_names: list[str] = Field(default=[], max_length=100_000)


class StudentFacts(Sizes):
    """config.json of a student of our network family."""

    width: int = Field(ge=4, le=4_096)
    blocks: int = Field(ge=1, le=64)


@dataclass(frozen=True)
class Predictions:
    """Answers to images: what each is called, float32 (n, classes) probabilities, and the classes' names."""

    names: tuple[str, ...]
    probabilities: np.ndarray
    class_names: tuple[str, ...]

    @property
    def labels(self) -> np.ndarray:
        """The most probable class of every image, int64 (n,)."""
        return np.asarray(self.probabilities.argmax(1))

    def lines(self) -> list[str]:
        """`name: class (probability)` for every image."""
        rows = zip(self.names, self.labels, self.probabilities, strict=True)
        return [printable(f"{name}: {self.class_names[label]} ({row[label]:.3f})") for name, label, row in rows]

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        rows = zip(self.names, self.labels.tolist(), self.probabilities.tolist(), strict=True)
        answers = [
            {"name": name, "label": label, "class": self.class_names[label], "probabilities": row} for name, label, row in rows
        ]
        return {"schema_version": 1, "kind": "predictions", "class_names": list(self.class_names), "predictions": answers}


_Facts = TypeVar("_Facts", bound=Sizes)


@final
class Student(nn.Module):
    """A released classifier, in evaluation mode: a module from float (n, channels, side, side) in [-1, 1], which is
    uint8 / 127.5 - 1, to logits (n, classes); and `predict`, from images as they are found to probabilities.

    `class_names` are in the order of the logits. `preprocess` is None where the release does not say how images were made.
    """

    def __init__(self, net: nn.Module, preprocess: Preprocess | None, class_names: tuple[str, ...]) -> None:
        super().__init__()
        self.net, self.preprocess, self.class_names = net, preprocess, class_names

    def forward(self, images: Tensor) -> Tensor:
        return cast(Tensor, self.net(images))

    def predict(self, inputs: Inputs, *, prepared: bool = False) -> np.ndarray:
        """Class probabilities float32 (n, classes) of image files and arrays, prepared as the training images were.

        `inputs`: paths of files or folders, arrays (h, w[, channels]), or one array (n, h, w[, channels]); with `prepared`,
        uint8 images (n, side, side[, channels]) that need no preparation, such as synthetic ones. Raises DataError, with a line
        for every reason, where an image needs more than the release knows.
        """
        if prepared:
            return probabilities(self.net, checked(np.asarray(inputs), self._block()))
        return self.predictions(inputs).probabilities

    def predictions(self, inputs: Inputs) -> Predictions:
        """As `predict`, with the name of every image."""
        found = prepare_images(inputs, self._block())
        return Predictions(found.names, probabilities(self.net, found.images), self.class_names)

    def _block(self) -> Preprocess:
        if self.preprocess is None:
            raise UpcycleError(
                f"{FACTS} must hold a preprocess block. Got an older release, without one. Release the run again."
            )
        return self.preprocess


def probabilities(net: nn.Module, images: np.ndarray) -> np.ndarray:
    """float32 (n, classes), rows summing to 1, of uint8 images (n, side, side, channels)."""
    return predict_logits(net, torch.from_numpy(images), torch.device("cpu")).softmax(1).numpy()


def write_weights(net: nn.Module, folder: Path) -> None:
    """Write `model.safetensors`, byte for byte as the private side has it: the audit names its hash."""
    save_weights(folder / WEIGHTS, net.state_dict())
    (folder / WEIGHTS).chmod(0o644)  # safetensors makes it unreadable for others


def write_facts(facts: Mapping[str, Any], folder: Path) -> None:
    """Write `config.json`."""
    (folder / FACTS).write_text(json_text(facts) + "\n", encoding="utf-8")


@typed()
def load_student(folder: str | Path, *, network: ClassifierFactory | None = None) -> Student:
    """The released classifier in `folder`, which is a release (release/ of a run) or its `student` folder.

    It needs no private file. A student with a network of the user's own needs its `network` factory again. Raises UpcycleError
    where there is no student, where a file is damaged (weights hold their own hash) or hostile, or where the network does not
    fit the weights.
    """
    source = student_folder(Path(folder))
    found = _read_json(source / FACTS)
    if network is None:
        own = _facts(found, source / FACTS, StudentFacts)
        facts: Sizes = own
        with torch.device("meta"):  # nothing is allocated before the weights are known to fit
            net = classifier_factory(ClassifierConfig(width=own.width, blocks=own.blocks))(own.channels, own.classes, own.size)
    else:
        facts = _facts(found, source / FACTS, Sizes)
        net = network(facts.channels, facts.classes, facts.size)
    _check_weights(source / WEIGHTS, net)
    tensors = load_file(source / WEIGHTS)
    check_sum(source / WEIGHTS, tensors)
    net.load_state_dict(tensors, assign=True)
    net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    block = _block(found["preprocess"], facts) if "preprocess" in found else None
    return Student(net, block, tuple(facts.class_names) or tuple(map(str, range(facts.classes)))).eval()


def _block(found: object, facts: Sizes) -> Preprocess:
    block = Preprocess.from_json(found)
    if (block.channels, block.side) != (facts.channels, facts.size):
        got = f"{block.channels} channels of {block.side} pixels for {facts.channels} of {facts.size}"
        raise UpcycleError(f"preprocess in {FACTS} must make what the network takes. Got {got}. Get the release again.")
    return block


def student_folder(folder: Path) -> Path:
    """Where the student is in `folder`. Raises UpcycleError where there is none."""
    for found in (folder, folder / "student"):
        if (found / FACTS).is_file():
            return found
    raise UpcycleError(f"folder must be a release, or release/student of a run. Got {folder}. Check the path.")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = read_json(path)
    except (ValueError, OSError) as error:
        raise UpcycleError(f"{FACTS} must be JSON. Got {path}: {one_line(error)}. Get the release again.") from error
    if not isinstance(found, dict):
        raise UpcycleError(f"{FACTS} must be a JSON object. Got {type(found).__name__} in {path}. Get the release again.")
    return found


def _facts(found: dict[str, Any], path: Path, kind: type[_Facts]) -> _Facts:
    if kind is StudentFacts and found.get("network") != RESIDUAL:
        got = f"{found.get('network')!r}"[:80]
        raise UpcycleError(f"network must be {RESIDUAL} or given. Got {got}. Call load_student(folder, network=your factory).")
    try:
        facts = kind.model_validate(found)
    except ValidationError as error:
        raise UpcycleError(*[_problem(path, problem) for problem in error.errors()]) from error
    if facts.class_names and len(facts.class_names) != facts.classes:
        got = f"{len(facts.class_names)} for {facts.classes} classes"
        raise UpcycleError(f"class_names in {path} must be one for every class. Got {got}. Get the release again.")
    return facts


def _problem(path: Path, problem: Any) -> str:
    name = ".".join(map(str, problem["loc"])) or "the whole"
    what = str(problem["msg"]).removeprefix("Input should be ")
    return f"{name} in {path} must be {what}. Got {str(problem['input'])[:80]!r}. Get the release again."


def _check_weights(path: Path, net: nn.Module) -> None:
    """Raise UpcycleError unless the file holds the tensors of `net`, by name, type and shape; only its header is read."""
    if not path.is_file():  # a pipe would be waited for
        raise UpcycleError(f"{WEIGHTS} must be a whole safetensors file. Got {path}, which is no file. Get it again.")
    wanted = {name: (_DTYPES[t.dtype], *t.shape) for name, t in net.state_dict().items()}
    try:
        with safe_open(path, framework="pt") as file:
            names = set(file.keys())
            slices = {name: file.get_slice(name) for name in names}
            found = {name: (part.get_dtype(), *part.get_shape()) for name, part in slices.items()}
    except (SafetensorError, OSError) as error:
        reason = one_line(error)
        raise UpcycleError(f"{WEIGHTS} must be a whole safetensors file. Got {path}: {reason}. Get it again.") from error
    wrong = [name for name, shape in wanted.items() if found.get(name) != shape] + sorted(names - set(wanted))
    if wrong:
        got = f"{len(wrong)} other tensors, such as {shortened(wrong[0])}"
        raise UpcycleError(f"{WEIGHTS} must hold the network of {FACTS}. Got {got}. Get it again.")

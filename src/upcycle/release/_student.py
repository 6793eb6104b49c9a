"""The released classifier as weights and facts, and the way back. Opens tensors and checked facts only, never code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from upcycle._bounded import one_line, read_json, shortened
from upcycle.config import ClassifierConfig
from upcycle.errors import UpcycleError
from upcycle.nets import classifier_factory

RESIDUAL: Final = "residual-classifier"  # how a release names our own network family
WEIGHTS: Final = "model.safetensors"
FACTS: Final = "config.json"
_DTYPES: Final = {torch.float32: "F32", torch.int64: "I64"}  # of our family's tensors, as safetensors calls them


class StudentFacts(BaseModel):
    """config.json of a released student of our family. The limits keep a hostile file from asking for the whole memory."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)
    network: str
    width: int = Field(ge=4, le=4_096)
    blocks: int = Field(ge=1, le=64)
    channels: int = Field(ge=1, le=3)
    size: int = Field(ge=1, le=4_096)
    classes: int = Field(ge=1, le=100_000)


def write_weights(net: nn.Module, folder: Path) -> None:
    """Write `model.safetensors`."""
    save_file({name: t.detach().cpu().contiguous() for name, t in net.state_dict().items()}, folder / WEIGHTS)
    (folder / WEIGHTS).chmod(0o644)  # safetensors makes it unreadable for others


def write_facts(facts: Mapping[str, Any], folder: Path) -> None:
    """Write `config.json`."""
    (folder / FACTS).write_text(json.dumps(dict(facts), indent=1) + "\n", encoding="utf-8")


def load_student(folder: str | Path) -> nn.Module:
    """The released classifier in `folder` (release/student of a run), in evaluation mode.

    It takes float (n, channels, side, side) in [-1, 1], which is uint8 / 127.5 - 1, and returns logits (n, classes). Needs no
    private file. Raises UpcycleError where there is none, where a file is damaged or hostile, or for a network that is not of
    our family.
    """
    source = Path(folder)
    if not (source / FACTS).exists():
        raise UpcycleError(f"folder must be release/student of a run. Got {source}. Check the path.")
    facts = _read_facts(source / FACTS)
    network = classifier_factory(ClassifierConfig(width=facts.width, blocks=facts.blocks))
    with torch.device("meta"):  # nothing is allocated before the weights are known to fit
        net = network(facts.channels, facts.classes, facts.size)
    _check_weights(source / WEIGHTS, net)
    net.load_state_dict(load_file(source / WEIGHTS), assign=True)
    return net.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload, no-any-return]


def _read_facts(path: Path) -> StudentFacts:
    try:
        found = read_json(path)
    except (ValueError, OSError) as error:
        raise UpcycleError(f"{FACTS} must be JSON. Got {path}: {one_line(error)}. Get the release again.") from error
    if isinstance(found, dict) and found.get("network") != RESIDUAL:
        raise UpcycleError(
            f"network must be {RESIDUAL}. Got {found.get('network')!r}. Build it by your own code and load the weights."
        )
    try:
        return StudentFacts.model_validate(found)
    except ValidationError as error:
        raise UpcycleError(*[_problem(path, problem) for problem in error.errors()]) from error


def _problem(path: Path, problem: Any) -> str:
    name = ".".join(map(str, problem["loc"])) or "the whole"
    what = str(problem["msg"]).removeprefix("Input should be ")
    return f"{name} in {path} must be {what}. Got {str(problem['input'])[:80]!r}. Get the release again."


def _check_weights(path: Path, net: nn.Module) -> None:
    """Raise UpcycleError unless the file holds the tensors of `net`, by name, type and shape; only its header is read."""
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

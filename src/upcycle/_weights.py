"""Weights as safetensors that tell whether they are whole: the format itself notices neither a changed byte nor a lost page."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from upcycle._files import durable_replace
from upcycle.errors import DamagedFileError

_SUM = "sha256"  # in the metadata of the file
_CHANGED = "one whose tensors do not have the SHA-256 that stands in it"


def save_weights(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write `tensors`, durably, with a hash of their names, types, shapes and values. Equal tensors give equal files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    durable_replace(path, lambda partial: save_file(plain, partial, metadata={_SUM: _hash_of(plain)}))


def load_weights(path: Path) -> dict[str, Tensor]:
    """What `save_weights` wrote. Raises DamagedFileError where the file is missing, cut or changed. Never runs code."""
    if not path.is_file():  # nor a pipe, which would be waited for
        raise DamagedFileError(path, "none")
    try:
        known, tensors = _known(path), load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise DamagedFileError(path, "one that is not whole") from error
    if known != _hash_of(tensors):
        raise DamagedFileError(path, _CHANGED)
    return tensors


def check_sum(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Raise DamagedFileError where `tensors`, loaded from `path`, do not have the hash that stands in it. A file made by others
    may hold none."""
    known = _known(path)
    if known is not None and known != _hash_of(tensors):
        raise DamagedFileError(path, _CHANGED, "Get the release again.")


def _known(path: Path) -> str | None:
    with safe_open(path, framework="pt") as file:
        return (file.metadata() or {}).get(_SUM)


def _hash_of(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()

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


def save_weights(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write `tensors`, durably, with a hash of their names, types, shapes and values. Equal tensors give equal files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    durable_replace(path, lambda partial: save_file(plain, partial, metadata={_SUM: _hash_of(plain)}))


def load_weights(path: Path) -> dict[str, Tensor]:
    """What `save_weights` wrote. Raises DamagedFileError where the file is missing, cut or changed. Never runs code."""
    try:
        with safe_open(path, framework="pt") as file:
            known = (file.metadata() or {}).get(_SUM)
        tensors = load_file(path)
    except FileNotFoundError:
        raise DamagedFileError(path, "none") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise DamagedFileError(path, "one that is not whole") from error
    if known != _hash_of(tensors):
        raise DamagedFileError(path, "one whose tensors do not have the SHA-256 that stands in it")
    return tensors


def _hash_of(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()

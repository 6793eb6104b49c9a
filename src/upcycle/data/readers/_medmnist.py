"""MedMNIST v2 by name (Yang et al. 2023, doi 10.1038/s41597-022-01721-8): the official files, from the network or the cache."""

import difflib
import json
import os
import re
from dataclasses import replace
from importlib.resources import files
from typing import Any

from upcycle.data.readers._fetch import cache_folder, fetch
from upcycle.data.readers._files import read_npz
from upcycle.data.readers._raw import RawImages, Source
from upcycle.errors import DataError


def read_medmnist(source: Source) -> RawImages:
    """`medmnist:NAME` or `medmnist:NAME_SIZE`, sizes 64, 128, 224; without one 28. Files are kept in the cache.

    UPCYCLE_MEDMNIST is the address of a folder with the same files, for a house without the internet.
    """
    name, size = _parsed(source.text.strip().lower())
    facts = _table()
    record = facts["sets"][name]
    if record["task"].startswith("multi-label"):
        raise DataError(
            f"medmnist set must have one class per image. Got {name}, whose images have several labels each. "
            "Choose another, or make an .npz of one label."
        )
    file = f"{name}.npz" if size == "28" else f"{name}_{size}.npz"
    path = fetch(_address(file, facts["address"]), record["md5"][size], cache_folder() / "medmnist" / file)
    source.findings.note(f"MedMNIST v2 set {name}, {size} x {size}, licence {record['licence']}")
    raw = read_npz(replace(source, text=str(path)))
    return RawImages(raw.splits, tuple(record["classes"]), file.removesuffix(".npz"))


def _table() -> dict[str, Any]:
    """Official names, classes, licences, MD5s and the address of the files."""
    found: dict[str, Any] = json.loads((files("upcycle.data") / "medmnist.json").read_text(encoding="utf-8"))
    return found


def _parsed(text: str) -> tuple[str, str]:
    """Name and size. Raises DataError for another one, with the nearest."""
    sets = _table()["sets"]
    name, _, size = text.partition("_")
    single = [key for key, record in sets.items() if not record["task"].startswith("multi-label")]
    if name.endswith("3d"):
        raise DataError(f"medmnist set must be a two-dimensional one. Got {text!r}. Choose one of {', '.join(single)}.")
    if name not in sets:
        near = difflib.get_close_matches(name, single, n=1, cutoff=0.5)
        hint = f"Did you mean {near[0]!r}?" if near else "See docs/data.md."
        raise DataError(f"medmnist set must be one of {', '.join(single)}. Got {text[:80]!r}. {hint}")
    sizes = sets[name]["md5"]
    if (size or "28") not in sizes:
        raise DataError(
            f"size of a medmnist set must be one of {', '.join(sizes)}. Got {size!r}. Write for example medmnist:{name}_64."
        )
    return name, size or "28"


def _address(file: str, official: str) -> str:
    mirror = os.environ.get("UPCYCLE_MEDMNIST", "")
    if not mirror:
        return official.format(file=file)
    if not re.match(r"https?://[^/]+", mirror):
        raise DataError(f"UPCYCLE_MEDMNIST must be an http or https address. Got {mirror!r}. Correct or unset it.")
    return f"{mirror.rstrip('/')}/{file}"

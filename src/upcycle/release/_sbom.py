"""sbom.cdx.json: which software made a release, by version and licence (CycloneDX 1.6), for whoever has to approve it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from upcycle._files import json_text, sha256
from upcycle.release._student import WEIGHTS

NAME: Final = "sbom.cdx.json"
_ROOT: Final = "upcycle"
_APPROVED: Final = "License :: "
_LONGEST: Final = 100  # letters of a licence's name; some packages put the whole text there


def write_sbom(folder: Path, licence: str | None) -> None:
    """Write the list of `folder`, a release whose student is written: the student with its hash and `licence` (SPDX), and every
    installed package that upcycle needs, directly or not."""
    student = {
        "type": "machine-learning-model",
        "bom-ref": "student",
        "name": "student",
        "hashes": [{"alg": "SHA-256", "content": sha256(folder / "student" / WEIGHTS)}],
        **({"licenses": [{"expression": licence}]} if licence else {}),
    }
    found = packages()
    whole = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": student},
        "components": [_component(one) for one in found.values()],
        "dependencies": [
            {"ref": "student", "dependsOn": [_reference(found[_ROOT])]},
            *({"ref": _reference(one), "dependsOn": _needs(one, found)} for one in found.values()),
        ],
    }
    (folder / NAME).write_text(json_text(whole) + "\n", encoding="utf-8")


@cache
def packages() -> Mapping[str, metadata.Distribution]:
    """upcycle and what it needs, its extras where they are installed: name -> distribution, in the order of the names."""
    found: dict[str, metadata.Distribution] = {}
    waiting = [_ROOT]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        try:
            found[name] = metadata.distribution(name)
        except metadata.PackageNotFoundError:  # of an extra that is not installed
            continue
        waiting += _required(found[name])
    return dict(sorted(found.items()))


def _needs(one: metadata.Distribution, found: Mapping[str, metadata.Distribution]) -> list[str]:
    return [_reference(found[name]) for name in sorted(set(_required(one))) if name in found]


@cache
def _about(one: metadata.Distribution) -> metadata.PackageMetadata:
    """`one.metadata`, which reads a file of the package whenever it is asked, read once."""
    return one.metadata


@cache
def _required(one: metadata.Distribution) -> tuple[str, ...]:
    """Packages that `one` needs on this machine; with upcycle itself also those of its extras."""
    extras = _about(one).get_all("Provides-Extra") or [] if canonicalize_name(_about(one)["Name"]) == _ROOT else []
    found = []
    for text in one.requires or []:
        try:
            asked = Requirement(text)
        except InvalidRequirement:  # an old package's own words
            continue
        if asked.marker is None or any(asked.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            found.append(canonicalize_name(asked.name))
    return tuple(found)


def _component(one: metadata.Distribution) -> dict[str, Any]:
    licences = licences_of(one)
    about = {"type": "library", "bom-ref": _reference(one), "name": _about(one)["Name"], "version": _about(one)["Version"]}
    return {**about, "purl": _reference(one), **({"licenses": licences} if licences else {})}


def _reference(one: metadata.Distribution) -> str:
    return f"pkg:pypi/{canonicalize_name(_about(one)['Name'])}@{_about(one)['Version']}"


def licences_of(one: metadata.Distribution) -> list[dict[str, Any]]:
    """What a package says of its licence: an SPDX expression, else its classifiers, else its own words; empty where it says
    nothing."""
    about = _about(one)
    if "License-Expression" in about:
        return [{"expression": about["License-Expression"]}]
    classifiers = about.get_all("Classifier") or []
    names = [text.rpartition(" :: ")[2] for text in classifiers if text.startswith(_APPROVED)]
    words = " ".join(about["License"].split()) if "License" in about else ""
    return [{"license": {"name": name}} for name in names or ([words[:_LONGEST]] if words else [])]

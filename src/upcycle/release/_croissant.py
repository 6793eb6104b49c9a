"""croissant.json: the synthetic set for machines (MLCommons Croissant 1.0)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from upcycle._files import sha256
from upcycle.release._cards import Contents, warning
from upcycle.release._licence import licence_url

NAME: Final = "croissant.json"
_CONTEXT: Final[dict[str, Any]] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def write_croissant(contents: Contents, folder: Path) -> None:
    """Write croissant.json. Call it when the set is written: the checksums of its files are in it."""
    asked = contents.options
    value: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": "synthetic-images",
        "description": f"{asked.images} synthetic images with soft labels{_warmth(contents)}. {warning(contents.given)}",
        "version": "1.0.0",
        "distribution": _distribution(contents, folder),
        "recordSet": _records(contents),
    }
    licence = licence_url(asked.licence)
    if licence:
        value["license"] = licence
    (folder / NAME).write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def _warmth(contents: Contents) -> str:
    degrees = contents.material.temperature
    return "" if degrees == 1 else f" (the teacher's softmax at temperature {degrees:g})"


def _distribution(contents: Contents, folder: Path) -> list[dict[str, Any]]:
    """File objects with checksums, and sets of files by pattern."""
    found = []
    archive = folder / "synthetic" / "synthetic.npz"
    if archive.exists():
        found.append(_file(archive, folder, "application/x-npz"))
    patterns = {
        "folders": ("synthetic/folders/*/*.png", "image/png"),
        "webdataset": ("synthetic/webdataset/*.tar", "application/x-tar"),
        "parquet": ("synthetic/parquet/*.parquet", "application/x-parquet"),
    }
    for form, (glob, kind) in patterns.items():
        if form in contents.options.formats:
            found.append({"@type": "cr:FileSet", "@id": form, "encodingFormat": kind, "includes": glob})
    if "folders" in contents.options.formats:
        found.append(_file(folder / "synthetic" / "folders" / "metadata.csv", folder, "text/csv"))
    return found


def _file(path: Path, folder: Path, kind: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": path.name,
        "contentUrl": path.relative_to(folder).as_posix(),
        "encodingFormat": kind,
        "sha256": sha256(path),
    }


def _records(contents: Contents) -> list[dict[str, Any]]:
    """One record set for every format whose records a reader of Croissant can take apart: Parquet and class folders."""
    found = []
    if "parquet" in contents.options.formats:
        png = {"extract": {"column": "image"}, "transform": {"jsonPath": "bytes"}}
        image = _field("parquet", "image", "sc:ImageObject", png)
        label = _field("parquet", "label", "sc:Integer", {"extract": {"column": "label"}})
        soft = {**_field("parquet", "soft_labels", "sc:Float", {"extract": {"column": "soft_labels"}}), "repeated": True}
        found.append({"@type": "cr:RecordSet", "@id": "parquet_records", "field": [image, label, soft]})
    if "folders" in contents.options.formats:
        image = _field("folders", "image", "sc:ImageObject", {"extract": {"fileProperty": "content"}})
        number = {"extract": {"fileProperty": "fullpath"}, "transform": {"regex": r".*/folders/(\d{3})[^/]*/[^/]*\.png$"}}
        label = _field("folders", "label", "sc:Text", number)
        found.append({"@type": "cr:RecordSet", "@id": "folders_records", "field": [image, label]})
    return found


def _field(form: str, name: str, kind: str, source: dict[str, Any]) -> dict[str, Any]:
    of = {"fileSet": {"@id": form}, **source}
    return {"@type": "cr:Field", "@id": f"{form}_records/{name}", "name": name, "dataType": kind, "source": of}

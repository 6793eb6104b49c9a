"""croissant.json: the synthetic set for machines (MLCommons Croissant 1.0)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from upcycle._files import json_text, sha256
from upcycle.release._cards import Contents, plain_warning
from upcycle.release._material import Material, licence_url

NAME: Final = "croissant.json"
_TERMS: Final = (
    "arrayShape citeAs column equivalentProperty extract field fileProperty fileObject fileSet format includes isArray "
    "isLiveDataset jsonPath key md5 parentField path recordSet references regex repeated replace samplingRate separator source "
    "subField transform"
)
_CONTEXT: Final[dict[str, Any]] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "sc": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{term: f"cr:{term}" for term in _TERMS.split()},
}


def write_croissant(contents: Contents, folder: Path) -> None:
    """Write croissant.json. Call it when the set is written: the checksums of its files are in it."""
    asked = contents.options
    value: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": "synthetic-images",
        "description": f"{asked.images} synthetic images with soft labels{_warmth(contents)}. {plain_warning(contents.given)}",
        "version": "1.0.0",
        "distribution": _distribution(contents, folder),
        "recordSet": _records(contents),
    }
    licence = licence_url(asked.licence)
    if licence:
        value["license"] = licence
    (folder / NAME).write_text(json_text(value) + "\n", encoding="utf-8")


def _warmth(contents: Contents) -> str:
    degrees, levels = contents.material.temperature, contents.material.levels
    warm = [] if degrees == 1 else [f"the teacher's softmax at temperature {degrees:g}"]
    rounded = [f"rounded to multiples of 1/{levels}"] if levels else []
    return f" ({', '.join(warm + rounded)})" if warm or rounded else ""


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
    """The names of the classes, and a record set for every format whose records can be described: arrays, Parquet, folders."""
    found = [_classes(contents.material.names)]
    if "npz" in contents.options.formats:
        found.append(_arrays(contents.material))
    if "parquet" in contents.options.formats:
        png = {"extract": {"column": "image"}, "transform": {"jsonPath": "bytes"}}
        image = _field("parquet", "image", "sc:ImageObject", png)
        label = _field("parquet", "label", "sc:Integer", {"extract": {"column": "label"}})
        soft = {**_field("parquet", "soft_labels", "sc:Float", {"extract": {"column": "soft_labels"}}), "repeated": True}
        found.append({"@type": "cr:RecordSet", "@id": "parquet_records", "field": [image, label, soft]})
    if "folders" in contents.options.formats:
        image = _field("folders", "image", "sc:ImageObject", {"extract": {"fileProperty": "content"}})
        number = {"extract": {"fileProperty": "fullpath"}, "transform": {"regex": r".*/folders/(\d{3,})[^/]*/[^/]*\.png$"}}
        label = _field("folders", "label", "sc:Integer", number)
        found.append({"@type": "cr:RecordSet", "@id": "folders_records", "field": [image, label]})
    return found


def _classes(names: Sequence[str]) -> dict[str, Any]:
    """Number and name of every class, spelt out: every reader of Croissant opens it."""
    fields = [
        {"@type": "cr:Field", "@id": f"classes/{name}", "name": f"classes/{name}", "dataType": kind}
        for name, kind in (("number", "sc:Integer"), ("name", "sc:Text"))
    ]
    rows = [{"classes/number": number, "classes/name": name} for number, name in enumerate(names)]
    key = {"@id": "classes/number"}
    return {"@type": "cr:RecordSet", "@id": "classes", "dataType": "sc:Enumeration", "key": key, "field": fields, "data": rows}


def _arrays(material: Material) -> dict[str, Any]:
    """One record for every row of the arrays in synthetic.npz, which NumPy opens; types and shapes are those of the arrays."""
    side = (material.size, material.size) if material.channels == 1 else (material.size, material.size, material.channels)
    shapes = {
        "image": ("train_images", "cr:UInt8", side),
        "label": ("train_labels", "cr:Int64", (1,)),
        "soft_labels": ("train_soft_labels", "cr:Float16", (material.classes,)),
    }
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"npz_records/{name}",
            "name": f"npz_records/{name}",
            "dataType": kind,
            "isArray": True,
            "arrayShape": ",".join(map(str, shape)),
            "source": {"fileObject": {"@id": "synthetic.npz"}, "extract": {"column": array}},
        }
        for name, (array, kind, shape) in shapes.items()
    ]
    return {"@type": "cr:RecordSet", "@id": "npz_records", "field": fields}


def _field(form: str, name: str, kind: str, source: dict[str, Any]) -> dict[str, Any]:
    of = {"fileSet": {"@id": form}, **source}
    return {"@type": "cr:Field", "@id": f"{form}_records/{name}", "name": name, "dataType": kind, "source": of}

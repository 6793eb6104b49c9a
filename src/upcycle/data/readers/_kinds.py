"""What kind of image a file is: by its suffix, or by how it begins."""

from collections import Counter
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

PICTURES = {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".pjpeg", ".pjp", ".tif", ".tiff", ".bmp", ".dib", ".webp", ".avif"}
VOLUMES = {".nii", ".nii.gz"}
SCANS = {".dcm", ".dicom", ".dic", ".ima"}
_OTHER = {
    *(".gif", ".heic", ".heif", ".jxl", ".jp2", ".j2k", ".j2c", ".jpx", ".jpf", ".jxr", ".ico", ".cur", ".icns", ".apng"),
    *(".pgm", ".ppm", ".pbm", ".pnm", ".pam", ".tga", ".pcx", ".psd", ".exr", ".hdr", ".dds", ".svg", ".eps", ".xbm", ".sgi"),
    *(".nrrd", ".nhdr", ".mha", ".mhd", ".mgz", ".mgh", ".img", ".mnc", ".fits", ".npy", ".raw", ".dng", ".cr2", ".nef"),
    *(".arw", ".svs", ".ndpi", ".mrxs", ".scn", ".vsi", ".czi", ".lif", ".nd2", ".mp4", ".avi", ".mov", ".mkv", ".wmv"),
}
_SHARED = {".img", ".raw"}  # suffixes that DICOM files bear too
_PLAIN = {  # suffixes that say that a file is no image, unless it begins as one
    *(".txt", ".csv", ".tsv", ".md", ".rst", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".toml", ".html", ".htm", ".log"),
    *(".pdf", ".doc", ".docx", ".odt", ".rtf", ".xls", ".xlsx", ".ods", ".ppt", ".pptx", ".py", ".ipynb", ".sh", ".bat"),
    *(".db", ".ini", ".cfg", ".lnk", ".url", ".sha256", ".md5", ".pt", ".pth", ".ckpt", ".pkl", ".bval", ".bvec"),
}
_KINDS = {
    **dict.fromkeys(_PLAIN, "plain"),
    **dict.fromkeys(_OTHER, "other image"),
    **dict.fromkeys(SCANS, "scan"),
    **dict.fromkeys(VOLUMES, "volume"),
    **dict.fromkeys(PICTURES, "picture"),
}
_STARTS = (  # the first bytes of kinds of images that people keep under odd names
    *(("picture", start) for start in (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"MM\0*")),
    *(("other image", start) for start in (b"GIF87a", b"GIF89a", b"8BPS", b"NRRD0", b"\0\0\0\x0cjP  ", b"\0\0\0\x0cJXL ")),
    *(("other image", start) for start in (b"\xff\x0a", b"\x76\x2f\x31\x01", b"SIMPLE  =", b"ObjectType", b"\x93NUMPY")),
)
_BOXES = {b"avif": "picture", b"avis": "picture", b"heic": "other image", b"mif1": "other image", b"heix": "other image"}
_LOOKED_AT = 1000  # files, to find out what a folder holds


def suffix_of(name: str) -> str:
    """In lower case; .nii.gz counts as one suffix."""
    stem, dot, suffix = name.lower().rpartition(".")
    if dot and suffix == "gz" and stem.endswith(".nii"):
        return ".nii.gz"
    return dot + suffix if stem else ""


def kind_of_file(path: str) -> str:
    """picture, volume, scan, other image, plain for a file that is no image, or "" where neither suffix nor start tell."""
    name = path.rpartition("/")[2]
    suffix = suffix_of(name)
    if kind := _KINDS.get(suffix):
        return _by_start(path) or kind if suffix in _SHARED or kind == "plain" else kind
    return "plain" if name.lower() == "dicomdir" else _by_start(path)


def _by_start(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            start = file.read(352)
    except OSError:
        return ""
    if start[128:132] == b"DICM":  # after the preamble (DICOM PS3.10, 7.1)
        return "scan"
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "picture"
    if start[4:8] == b"ftyp" and start[8:12] in _BOXES:
        return _BOXES[start[8:12]]
    if start[344:348] in (b"n+1\0", b"ni1\0"):
        return "other image"
    return next((kind for kind, first in _STARTS if start.startswith(first)), "")


def kind_of_folder(files: Iterable[str]) -> str:
    """The kind of image most of the first files are of; picture where there is none."""
    kinds = Counter(kind_of_file(file) for file in islice(files, _LOOKED_AT))
    return max(("picture", "volume", "scan"), key=lambda kind: kinds[kind])

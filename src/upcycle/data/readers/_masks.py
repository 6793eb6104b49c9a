"""Files and folders whose names say that they are no images of a class: masks, segmentations, annotations."""

from collections.abc import Iterable

from upcycle.data.readers._raw import Findings, shown
from upcycle.data.readers._split_names import words_of

_MASKS = {
    *(
        "mask",
        "masks",
        "seg",
        "segs",
        "segmentation",
        "segmentations",
        "segm",
        "annotation",
        "annotations",
        "groundtruth",
        "gt",
    ),
    *("contour", "contours", "heatmap", "heatmaps", "saliency", "bbox", "bboxes", "overlay", "overlays", "roi", "rois"),
}
_KINDS = _MASKS | {
    "label",
    "labels",
    "image",
    "images",
    "img",
    "imgs",
    "picture",
    "pictures",
    "scan",
    "scans",
    "ground",
    "truth",
}


def note_masks(files: Iterable[str], class_names: Iterable[str], findings: Findings) -> None:
    """Say it where files are called masks, and where classes are called after kinds of files: both were read as they lie."""
    called = [file for file in files if set(words_of(_stem(file))[-2:]) & _MASKS]
    if called:
        findings.note(f"{len(called)} files are called mask or the like, and were read as images: {shown(called)}")
    kinds = [name for name in class_names if (words := set(words_of(name)) - {"the", "of"}) and words <= _KINDS]
    if len(kinds) > 1 or any(set(words_of(kind)) & _MASKS for kind in kinds):
        findings.note(f"class folders are called after kinds of files, and were taken for classes: {shown(kinds)}")


def _stem(file: str) -> str:
    return file.rpartition("/")[2].partition(".")[0]

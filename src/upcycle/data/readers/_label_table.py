"""labels.csv: a table of files with their class and, if it has the columns, split and patient."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from upcycle.data.readers._classes import EMPTY, class_text, in_order
from upcycle.data.readers._layout import LABELS, Entry, Layout
from upcycle.data.readers._owners import owner_column
from upcycle.data.readers._raw import Findings, shown
from upcycle.data.readers._split_names import SPLIT_WORDS, SPLITS, mostly_splits, split_of
from upcycle.data.readers._table import FILE_WORDS, FileNames, Table, file_key, read_table
from upcycle.data.readers._walk import Walk
from upcycle.errors import DataError

_CLASS_WORDS = (
    *("class", "label", "classname", "labelname", "classes", "labels", "category", "target", "diagnosis", "dx", "classid", "y"),
    *("finding", "findings"),
)


@dataclass(frozen=True)
class _Row:
    file: str
    label: str
    split: str
    owner: str


def label_table(root: Path) -> Path | None:
    """The labels.csv of a folder, in any case."""
    return (
        next((f for f in sorted(root.iterdir()) if f.name.casefold() == LABELS and f.is_file()), None)
        if root.is_dir()
        else None
    )


def by_table(root: Path, path: Path, findings: Findings) -> Layout:
    """The files that the table names. Columns are known by their names or, of two or three, by their place."""
    table = read_table(path, "labels", "file,class", findings)
    walk = Walk(root)
    listed = [name for name in walk.files("") if name.casefold() != LABELS]
    walk.report(findings)
    names = FileNames(listed)
    if any("." in cell and names.find(file_key(cell)) for cell in table.header):
        raise DataError(f"{LABELS} must begin with a header line. Got {shown(table.header)}. Add file,class above it.")
    columns, rows = _rows(table, findings)
    found = {row.file: names.find(row.file) for row in rows}
    _check_files(root, rows, found, findings)
    _check_cells(rows, found, columns, findings)
    clear = {found[row.file][0]: row for row in rows if len(found[row.file]) == 1 and row.label}
    classes = in_order(row.label for row in clear.values()) or ["?"]
    numbers = {name: k for k, name in enumerate(classes)}
    entries = tuple(Entry(_split(row.split), numbers[row.label], name, row.owner) for name, row in sorted(clear.items()))
    left_out = sorted(set(listed) - set(clear) - {name for meant in found.values() for name in meant})
    if left_out:
        findings.note(f"{len(left_out)} files without a row in {LABELS} were left out: {shown(left_out)}")
    _note_folders(entries, classes, findings)
    used = {entry.split for entry in entries}
    return Layout(tuple(s for s in SPLITS if s in used), tuple(classes), entries, columns[3] is not None)


def _note_folders(entries: Sequence[Entry], classes: Sequence[str], findings: Findings) -> None:
    """Say it where a file lies in a folder called as one class, and the table gives it another."""
    torn = [entry.name for entry in entries if _folders(entry.name) & set(classes) - {classes[entry.label]}]
    if torn:
        got = f"{len(torn)} files lie in a folder that is called as another class"
        findings.note(f"{got} than {LABELS} gives them: {LABELS} was followed: {shown(torn)}")


def _folders(file: str) -> set[str]:
    return set(map(class_text, file.split("/")[:-1]))


def _split(cell: str) -> str:
    return "all" if not cell else split_of(cell) or "all"


_Columns = tuple[str, str, str | None, str | None]


def _rows(table: Table, findings: Findings) -> tuple[_Columns, list[_Row]]:
    columns = file, label, split, owner = _columns(table, findings)
    cells = zip(table.cells(file), table.cells(label), table.cells(split), table.cells(owner), strict=True)
    return columns, [_Row(file_key(f), class_text(c), s, o) for f, c, s, o in cells]


def _columns(table: Table, findings: Findings) -> _Columns:
    """Names of the columns of file, class, split and patient. Raises DataError where they are not clear."""
    owner = owner_column(table.header, LABELS, findings)
    file, label = table.named(FILE_WORDS), table.named(_CLASS_WORDS)
    if file is None and label is None and len(table.header) <= 3:  # by place
        file, label, *third = table.header
        owner = owner if owner in third else None
        split = third[0] if third and owner is None else None
        return file, label, split, owner
    split = table.named(SPLIT_WORDS) or _split_by_cells(table, {file, label, owner})
    rest = table.others([file, label, split, owner])
    if file is None and owner is not None and not rest:
        file, owner = owner, None
    if (file is None) != (label is None) and len(rest) == 1:
        file, label, rest = file or rest[0], label or rest[0], []
    if file is None or label is None:
        got = shown(table.header, 8)
        then = "Rename them; split and patient may be added."
        raise DataError(f"columns of {LABELS} must be named file and class. Got {got}. {then}")
    if rest:
        findings.note(f"columns of {LABELS} were not read: {shown(rest)}")
    return file, label, split, owner


def _split_by_cells(table: Table, used: set[str | None]) -> str | None:
    """The one column of another name most of whose cells are names of splits."""
    found = [column for column in table.header if column not in used and mostly_splits(table.cells(column))]
    return found[0] if len(found) == 1 else None


def _check_files(root: Path, rows: list[_Row], found: dict[str, list[str]], findings: Findings) -> None:
    outside = sorted({row.file for row in rows if not found[row.file] and not _is_inside(root, row.file)})
    if outside:
        findings.problem(f"files in {LABELS}", "inside the folder", shown(outside), "Use names relative to the folder.")
    absent = sorted({row.file for row in rows if not found[row.file]} - set(outside))
    if absent:
        findings.problem(f"files in {LABELS}", "there", f"no {shown(absent)}", "Check the names below the header line.")
    several = sorted({row.file for row in rows if len(found[row.file]) > 1})
    if several:
        got = f"several called {shown(several)}"
        findings.problem(f"files in {LABELS}", "clear", got, "Write their folders too.")


def _is_inside(root: Path, name: str) -> bool:
    """Neither absolute nor upwards, nor through a link that leads out."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or Path(name).is_absolute() or "\0" in name:
        return False
    return (root / name).resolve().is_relative_to(root.resolve())


def _check_cells(rows: list[_Row], found: dict[str, list[str]], columns: _Columns, findings: Findings) -> None:
    by_file: dict[str, set[tuple[str, str, str]]] = {}
    for row in rows:
        by_file.setdefault(found[row.file][0] if len(found[row.file]) == 1 else row.file, set()).add(
            (row.label, row.split, row.owner)
        )
    twice = [file for file, said in by_file.items() if len(said) > 1]
    if twice:
        findings.problem(LABELS, "clear on every file", f"two rows that differ for {shown(twice)}", "Keep one row each.")
    blank = [row.file for row in rows if row.label.casefold() in EMPTY]
    if blank:
        findings.problem(LABELS, "filled in", f"no class for {shown(blank)}", "Add them or remove the rows.")
    odd = sorted({row.split for row in rows if row.split and not split_of(row.split)})
    if odd:
        where = f"column {columns[2]} of {LABELS}"
        findings.problem(f"splits in {where}", "train, val or test", shown(odd), "Rename them, or the column.")

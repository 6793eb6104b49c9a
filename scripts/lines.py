"""Lines of a package by room and by kind, as a table: python scripts/lines.py [FOLDER], src/upcycle if not given."""

from __future__ import annotations

import ast
import sys
from collections import Counter
from pathlib import Path

KINDS = ("statements", "docstrings", "imports", "blank")


def kinds(text: str) -> Counter[str]:
    """How many lines of a file are of each kind; a comment counts as a statement."""
    lines = text.splitlines()
    kind = ["statements" if line.strip() else "blank" for line in lines]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            mark(kind, node, "imports")
        elif isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            mark(kind, node.body[0], "docstrings")
    return Counter(kind)


def mark(kind: list[str], node: ast.stmt, name: str) -> None:
    last = node.end_lineno or node.lineno
    kind[node.lineno - 1 : last] = [name] * (last - node.lineno + 1)


def table(package: Path) -> list[str]:
    """The rows in Markdown, the largest room first, and a sum."""
    rooms: dict[str, Counter[str]] = {}
    for path in sorted(package.rglob("*.py")):
        room = path.parent.relative_to(package).as_posix()
        found = kinds(path.read_text(encoding="utf-8"))
        rooms[room] = rooms.get(room, Counter()) + found + Counter({"files": 1})
    order = sorted(rooms, key=lambda room: -sum(rooms[room][kind] for kind in KINDS))
    total = sum(rooms.values(), Counter())
    rows = [(f"`{room}/`" if room != "." else "top level", rooms[room]) for room in order] + [("**all**", total)]
    head = ["| room | files | lines | " + " | ".join(KINDS) + " |", "| --- " * (len(KINDS) + 3) + "|"]
    return head + [
        f"| {name} | {n['files']} | {sum(n[kind] for kind in KINDS):,} | " + " | ".join(f"{n[kind]:,}" for kind in KINDS) + " |"
        for name, n in rows
    ]


if __name__ == "__main__":
    print("\n".join(table(Path(sys.argv[1] if len(sys.argv) > 1 else "src/upcycle"))))

"""show and compare through the real entry point: text, JSON alone on standard output, a page that asks for nothing."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from tests.conftest import blobs
from tests.run_folders import write_run
from upcycle.cli._group import cli, main
from upcycle.cli.compare import _blocks, page_rows, table
from upcycle.runs import compare_runs


def upcycle(*args: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(arg) for arg in args], catch_exceptions=False)


def refused(capsys: pytest.CaptureFixture[str], *args: str | Path) -> list[str]:
    with pytest.raises(SystemExit) as raised:
        main([str(arg) for arg in args])
    shown = capsys.readouterr()
    assert raised.value.code == 2 and shown.out == ""
    return [line.removeprefix("upcycle: error: ") for line in shown.err.splitlines()]


def test_show_says_verdict_before_numbers_each_with_its_interval(tmp_path: Path) -> None:
    result = upcycle("show", write_run(tmp_path / "run"))
    text = result.output
    for words in (
        "0.900 [0.850, 0.940]   baseline 0.950 [0.910, 0.980]",
        "-5.00 [-9.00, -1.00] points on 20 test images",
        "student 0.500 [0.450, 0.550]   teacher 0.700 [0.650, 0.750]",
        "100 members, 20 non-members",
        "private/report.html (internal, do not share)",
        "release/report.html (shareable)",
        "5.7 in all: teacher 1.0, student 1.0, audit 1.1, evaluation 0.5, report 1.0, unheard-of 1.1",
    ):
        assert words in text
    assert text.index("INCONCLUSIVE") < text.index("Open because.") < text.index("student accuracy")
    assert "▀" not in text, "no pictures off a terminal"


def test_show_of_a_run_at_work_says_so(tmp_path: Path) -> None:
    text = upcycle("show", write_run(tmp_path / "run", until="plan")).output
    assert ", not finished" in text and "not audited yet" in text and "student accuracy" not in text


def test_pictures_that_were_asked_for_and_cannot_be_shown_are_explained(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    assert "24-bit colour" in upcycle("show", run, "--thumbnails").output
    assert "24-bit colour" not in upcycle("show", run).output + upcycle("show", run, "--no-thumbnails").output


def test_pictures_are_shown_also_where_nothing_may_leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("upcycle.runs.watch.can_show", lambda console: True)
    run = write_run(tmp_path / "run")
    assert "▀" in upcycle("show", run).output and "▀" not in upcycle("show", run, "--no-thumbnails").output
    (run / "private" / "copies").mkdir()
    (run / "release" / "synthetic" / "synthetic.npz").rename(run / "private" / "copies" / "synthetic.npz")
    text = upcycle("show", run).output
    assert "▀" in text and "synthetic set" not in text


def test_json_of_show_and_compare_is_all_there_is_on_standard_output(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name) for name in "ab"]
    facts = json.loads(upcycle("show", runs[0], "--json").stdout)
    assert facts["kind"] == "run" and facts["verdict"] == "INCONCLUSIVE"
    found = json.loads(upcycle("compare", *runs, "--json").stdout)
    assert found["kind"] == "comparison" and found["runs"][0] == facts and len(found["pairs"]) == 1


def test_folders_that_are_not_runs_end_in_lines_and_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = refused(capsys, "show", tmp_path)
    assert line.startswith("run must be a folder written by upcycle run. Got ")
    lines = refused(capsys, "compare", tmp_path / "x", tmp_path / "y", "--html", tmp_path / "page.html", "--json")
    assert len(lines) == 2 and not (tmp_path / "page.html").exists()
    assert "two or more" in refused(capsys, "compare", write_run(tmp_path / "run"))[0]


def test_compare_puts_every_run_into_one_table_and_says_what_does_not_compare(tmp_path: Path) -> None:
    other = write_run(tmp_path / "second", test_images="other", teacher_auc=0.51, right=np.arange(20) > 4)
    lines = upcycle(
        "compare", write_run(tmp_path / "first"), other, write_run(tmp_path / "third", until="plan")
    ).output.splitlines()
    assert lines[0].split() == ["run", "first", "second", "third"]
    rows = {line[:19].strip(): line[19:] for line in lines if line}
    assert "not audited" in rows["verdict"] and rows["student accuracy"].rstrip().endswith("–")
    text = "\n".join(lines)
    for words in ("note: not all runs were judged", "note: third is not finished", "did not see the teacher leak in second"):
        assert words in text


def test_table_is_cut_into_blocks_that_fit_the_terminal(tmp_path: Path) -> None:
    rows = table(compare_runs([write_run(tmp_path / f"run-{k}") for k in range(5)]).runs)
    assert len(_blocks(rows, None)) == 1
    blocks = _blocks(rows, 70)
    assert len(blocks) == 3 and all(len(line) <= 70 for block in blocks for line in block)
    assert [line.split()[1:] for block in blocks for line in block[:1]] == [["run-0", "run-1"], ["run-2", "run-3"], ["run-4"]]
    assert len(_blocks(rows, 10)) == 5, "a terminal that is too narrow still gets every run"


class Page(HTMLParser):
    """Cells of the table, and everything that could reach out."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.outside: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.outside += [value or "" for name, value in attrs if name in ("src", "href", "action", "srcset")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_page_shows_the_table_escapes_names_and_reaches_for_nothing(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / "<script>alert(1)"), write_run(tmp_path / "b")]
    page = tmp_path / "page.html"
    result = upcycle("compare", *runs, "--html", page)
    assert f"page: {page}" in result.output
    found = Page(page.read_text(encoding="utf-8"))
    assert "script" not in found.tags and all(link.startswith("#") for link in found.outside)
    for words in (
        "<script>alert(1)",
        "INCONCLUSIVE",
        "Open because.",
        "0.900 [0.850, 0.940]",
        "0.700 [0.650, 0.750]",
        "+0.00 [",
    ):
        assert words in found.text
    assert not list(tmp_path.glob("*.partial"))


def test_rows_of_the_drawn_page_hold_what_is_known_and_leave_out_what_is_not(tmp_path: Path) -> None:
    found = compare_runs([write_run(tmp_path / "a"), write_run(tmp_path / "b"), write_run(tmp_path / "c", until="plan")])
    first, second, third = page_rows(found)
    assert first["student_accuracy"] == (0.9, 0.85, 0.94) and first["gap_points"] == (-5.0, -9.0, -1.0)
    assert (first["name"], first["student_auc"][0], first["teacher_auc"][0]) == ("a", 0.5, 0.7)
    assert second["minus a, points"].startswith("+0.00 [") and "minus b, points" not in first
    assert third["verdict"] is None and "student_accuracy" not in third and third["members"] == 100


def test_json_of_a_run_is_alone_on_standard_output_and_its_progress_on_standard_error(tmp_path: Path) -> None:
    images, labels = blobs(360)
    np.savez(tmp_path / "tiny.npz", images=images, labels=labels)
    small = ["--set", "teacher.min_images=256", "--set", "teacher.max_images=256", "--set", "augment.flip=none"]
    command = [
        "train-teacher",
        tmp_path / "tiny.npz",
        "--out",
        tmp_path / "run",
        "--preset",
        "smoke",
        "--set",
        "threads=1",
        *small,
    ]
    result = upcycle(*command, "--json")
    facts = json.loads(result.stdout)
    assert facts["kind"] == "run" and not facts["finished"] and "teacher" in facts["minutes"]
    assert "min in all on this machine" in result.stderr and "teacher    finished in" in result.stderr
    assert json.loads(upcycle("show", tmp_path / "run", "--json").stdout) == facts

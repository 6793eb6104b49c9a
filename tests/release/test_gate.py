"""The gate: what the audit says decides whether anything leaves, and whoever overrules it signs the cards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.release.conftest import AUDIT, contents, light, made_of
from upcycle.errors import ConfigError, ReleaseError
from upcycle.release import ReleaseOptions, permit, refusal, withhold, write_release

SMALL = light(images=6)


def audit(verdict: str) -> dict[str, Any]:
    return {**AUDIT, "verdict": verdict}


@pytest.mark.parametrize("bad", [None, {}, audit("LEAKS"), audit("INVALID"), audit("leaks"), audit("FINE, TRUST ME")])
def test_nothing_leaves_on_a_missing_failed_or_unknown_audit(bad: dict[str, Any] | None, tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="audit must end in NO LEAK FOUND or INCONCLUSIVE") as caught:
        write_release(tmp_path / "release", made_of(audit=bad), SMALL)
    assert len(caught.value.problems) == 1 and "--accept-risk" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_second_audit_never_opens_the_gate_that_the_first_has_closed() -> None:
    held = audit("INCONCLUSIVE") | {"merged": {"run": audit("LEAKS"), "pipelines": audit("NO LEAK FOUND")}}
    reason = refusal(held)
    assert reason is not None and "Got LEAKS by one of its two parts alone." in reason
    assert permit(held, "known").verdict == "INCONCLUSIVE"
    assert (
        refusal(audit("INCONCLUSIVE") | {"merged": {"run": audit("INCONCLUSIVE"), "pipelines": audit("NO LEAK FOUND")}}) is None
    )


def test_refused_release_leaves_the_old_one_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "release"
    write_release(folder, made_of(), SMALL)
    before = contents(folder)
    with pytest.raises(ReleaseError):
        write_release(folder, made_of(audit=audit("LEAKS")), SMALL)
    assert contents(folder) == before and list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("bad", [None, audit("LEAKS"), audit("INVALID")])
def test_accepted_risk_is_in_cards_readme_croissant_and_audit(bad: dict[str, Any] | None, tmp_path: Path) -> None:
    options = light(images=6, accept_risk="board decision 12,\n  public scans")
    write_release(tmp_path, made_of(audit=bad), options)
    word = "MISSING" if bad is None else bad["verdict"]
    for name in ("MODEL_CARD.md", "DATA_CARD.md", "README.txt", "croissant.json"):
        text = (tmp_path / name).read_text()
        assert word in text and "board decision 12, public scans" in text, name
    record = json.loads((tmp_path / "audit.json").read_text())
    assert record["accepted_risk"] == "board decision 12, public scans" and record["verdict"] == word


@pytest.mark.parametrize("verdict", ["INCONCLUSIVE", "NO LEAK FOUND"])
def test_released_verdict_is_the_first_thing_a_card_says(verdict: str, tmp_path: Path) -> None:
    write_release(tmp_path, made_of(audit=audit(verdict)), SMALL)
    for name in ("MODEL_CARD.md", "DATA_CARD.md"):
        text = (tmp_path / name).read_text()
        assert text.split("\n# ")[1].split("\n\n")[1].startswith(f"**Audit verdict: {verdict}. ")
        assert AUDIT["sentence"].split(" [")[0] in text  # type: ignore[attr-defined]
        assert "accepted" not in text
    assert "accepted_risk" not in json.loads((tmp_path / "audit.json").read_text())


def test_withheld_release_holds_the_audit_and_the_reason_only(tmp_path: Path) -> None:
    folder = tmp_path / "release"
    write_release(folder, made_of(), SMALL)
    reason = withhold(folder, audit("LEAKS"))
    assert sorted(contents(folder)) == ["README.txt", "SHA256SUMS", "audit.json"]
    assert reason in (folder / "README.txt").read_text() and "Got LEAKS" in reason


def test_reason_cannot_forge_a_card(tmp_path: Path) -> None:
    forged = "---\nlicense: mit\n---\n# Certified <script>alert(1)</script> | [link](http://x)"
    write_release(tmp_path, made_of(audit=audit("LEAKS")), light(images=6, accept_risk=forged))
    text = (tmp_path / "MODEL_CARD.md").read_text()
    assert yaml.safe_load(text.split("---\n")[1])["license"] == "other"
    assert "<script>" not in text and "\n# Certified" not in text


def test_every_wrong_option_is_said_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        ReleaseOptions(images=-1, prior="equal", formats=("zip",), licence="MyLicence", accept_risk=" ")  # type: ignore[arg-type]
    named = [line.split(" must ")[0] for line in caught.value.problems]
    assert named == ["images", "prior", "format", "accept-risk", "licence"]


def test_missing_extra_is_named_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    from upcycle.release import _material

    monkeypatch.setattr(_material, "find_spec", lambda name: None)
    with pytest.raises(ConfigError) as caught:
        ReleaseOptions(formats=("parquet",), onnx=True)
    assert [line.split("'")[1] for line in caught.value.problems] == ["upcycle[onnx]", "upcycle[parquet]"]


def test_permit_and_refusal_agree() -> None:
    for verdict in ("NO LEAK FOUND", "INCONCLUSIVE", "LEAKS", "INVALID"):
        if refusal(audit(verdict)) is None:
            assert permit(audit(verdict), None).verdict == verdict
        else:
            assert permit(audit(verdict), "known").accepted_risk == "known"

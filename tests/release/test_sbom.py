"""The list of software in a release: every package that made it, with its licence; and the student by its hash."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.release.conftest import light, made_of
from upcycle._files import sha256
from upcycle.release import write_release
from upcycle.release._sbom import NAME, licences_of, packages


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("sbom") / "release"
    write_release(folder, made_of(judged={"student": "ab" * 32}), light(images=0, licence="MIT"))
    return folder, json.loads((folder / NAME).read_text())


def test_every_package_that_a_release_needs_is_named_with_version_and_licence(whole: tuple[Path, dict[str, Any]]) -> None:
    found = {one["name"].lower(): one for one in whole[1]["components"]}
    assert {"upcycle", "torch", "numpy", "pillow", "markupsafe", "onnxruntime"} <= set(found), "also what is needed indirectly"
    assert not [name for name, one in found.items() if not one.get("licenses")]
    assert found["upcycle"]["licenses"] == [{"expression": "Apache-2.0"}] and found["numpy"]["purl"].startswith(
        "pkg:pypi/numpy@2"
    )


def test_every_reference_leads_to_a_component_and_the_student_has_its_hash(whole: tuple[Path, dict[str, Any]]) -> None:
    folder, listed = whole
    assert (listed["bomFormat"], listed["specVersion"]) == ("CycloneDX", "1.6")
    references = {one["bom-ref"] for one in listed["components"]}
    assert len(references) == len(listed["components"])
    for row in listed["dependencies"]:
        assert set(row["dependsOn"]) <= references and row["ref"] in references | {"student"}
    student = listed["metadata"]["component"]
    assert student["hashes"][0]["content"] == sha256(folder / "student" / "model.safetensors")
    assert student["licenses"] == [{"expression": "MIT"}]


def test_the_same_software_gives_the_same_bytes_and_the_audit_names_what_it_judged(
    whole: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    write_release(tmp_path / "r", made_of(), light(images=0, licence="MIT"))
    assert (tmp_path / "r" / NAME).read_bytes() == (whole[0] / NAME).read_bytes()
    assert json.loads((whole[0] / "audit.json").read_text())["judged"] == {"student": "ab" * 32}


def test_licences_forbid_nothing_that_a_hospital_may_do() -> None:
    """A package under the GPL or a licence for research only would bind whoever runs upcycle."""
    for name, one in packages().items():
        said = json.dumps(licences_of(one)).upper().replace("LGPL", "")
        assert "GPL" not in said and "NON-COMMERCIAL" not in said and "RESEARCH ONLY" not in said, (name, said)

"""What the pages show is what the program does."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import ytterby

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_examples_of_the_python_page_run() -> None:
    page = DOCS / "reference" / "python-api.md"
    result = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert result.attempted >= 20
    assert result.failed == 0


@pytest.mark.parametrize("name", sorted(set(ytterby.__all__) - {"__version__"}))
def test_every_public_name_is_on_the_python_page_and_exists(name: str) -> None:
    assert getattr(ytterby, name) is getattr(import_module(getattr(ytterby, name).__module__), name)
    assert f"`{name}`" in (DOCS / "reference" / "python-api.md").read_text(encoding="utf-8")


def test_the_case_file_of_the_page_is_a_case(tmp_path: Path) -> None:
    from ytterby.files.casefile import read_case

    page = (DOCS / "howto" / "run-a-case.md").read_text(encoding="utf-8")
    case = tmp_path / "CASE.yaml"
    main, threshold, radiobiology, accuracy = [block.split("```")[0] for block in page.split("```yaml\n")[1:]]
    case.write_text(main + radiobiology + accuracy, encoding="utf-8")
    for name in ("spect", "ct"):
        (tmp_path / name).mkdir()
    (tmp_path / "segments.dcm").touch()
    read = read_case(case)
    assert read.radiobiology is not None
    assert read.uncertainty is not None
    assert read.uncertainty.draws == 2000
    assert read.sessions[0].perfused == ("Perfused volume",)
    case.write_text(main.replace("    tumour: [Tumour 1, Tumour 2]\n", "") + threshold, encoding="utf-8")
    assert read_case(case).tumours is not None


def test_the_study_file_of_the_page_is_a_study(tmp_path: Path) -> None:
    from ytterby.files.studyfile import read_study
    from ytterby.model.segment import Role

    page = (DOCS / "howto" / "run-a-study.md").read_text(encoding="utf-8")
    (tmp_path / "study.yaml").write_text(page.split("```yaml\n")[1].split("```")[0], encoding="utf-8")
    study = read_study(tmp_path)
    assert study.role_of("L01") is Role.TUMOUR
    assert study.role_of("Lungs") is Role.LUNGS

"""Environments of judges are made once, and say what is wrong where they cannot be made."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.judges.environment import judge_python, run_judge


@pytest.fixture
def requirements(tmp_path: Path) -> Path:
    file = tmp_path / "some_judge" / "requirements.txt"
    file.parent.mkdir()
    file.write_text("# nothing\n", encoding="utf-8")
    return file


def test_an_environment_is_made_once_for_a_file_and_again_when_it_changes(
    requirements: Path, tmp_path: Path
) -> None:
    environments = tmp_path / "environments"
    left = judge_python(requirements, environments).parent / "left"
    assert left.parents[1] == environments / "some_judge"
    left.touch()
    judge_python(requirements, environments)
    assert left.exists()
    requirements.write_text("# nothing either\n", encoding="utf-8")
    judge_python(requirements, environments)
    assert not left.exists()


def test_what_cannot_be_installed_is_named_with_the_words_of_uv(
    requirements: Path, tmp_path: Path
) -> None:
    requirements.write_text("absent @ file:///nowhere/absent.whl\n", encoding="utf-8")
    for _ in range(2):
        with pytest.raises(pytest.fail.Exception, match=r"some_judge/requirements(.|\n)*absent"):
            judge_python(requirements, tmp_path / "environments")


def test_a_judge_does_not_see_our_packages_and_its_failure_shows_what_it_said(
    requirements: Path, tmp_path: Path, project_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = judge_python(requirements, tmp_path / "environments")
    monkeypatch.setenv("PYTHONPATH", str(project_root))
    assert run_judge(python, ["-c", "print(6 * 7)"], cwd=tmp_path) == "42\n"
    with pytest.raises(pytest.fail.Exception, match="No module named 'broker'"):
        run_judge(python, ["-c", "import broker"], cwd=tmp_path)

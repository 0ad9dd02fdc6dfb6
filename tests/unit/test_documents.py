"""Documents agree with the repository: files, links, commands, settings, versions."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from broker.commands.app import COMMANDS, load
from broker.settings import load_settings, sections

ROOT = Path(__file__).resolve().parents[2]
PAGES = ["README.md", "CONTRIBUTING.md", *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))]
FOLDERS = ("broker", "conf", "jobs", "docs", "tests", "schemas", "bin", ".ci", ".github")
# Of files that the reader writes, or that another version had, a page may speak too.
NOT_HERE = ("conf/modules",)


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def paths_in(text: str) -> Iterator[str]:
    """Paths in back-quotes that are of this repository and no pattern."""
    for word in re.findall(r"`([^`\s]+)`", text):
        in_folder = word.startswith(tuple(f"{folder}/" for folder in FOLDERS))
        if in_folder and not re.search(r"[<*…{]", word) and not word.startswith(NOT_HERE):
            yield word


def anchors(text: str) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


def command_lines(text: str) -> Iterator[list[str]]:
    """Words of every line for the shell that calls us, `bin/nightjar` or a job."""
    for block in re.findall(r"^ *```bash\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            called = [n for n, word in enumerate(words) if word == "bin/nightjar"]
            jobs = [n for n, word in enumerate(words) if re.fullmatch(r"jobs/\w+\.py", word)]
            if called:
                yield words[called[0] + 1 :]
            elif jobs and "spark-submit" in line:
                yield words[jobs[0] :]


def wrong_words(words: list[str]) -> list[str]:
    """Commands and options of a line that do not exist."""
    name, *rest = words
    if name.startswith("jobs/"):
        return [] if (ROOT / name).is_file() else [name]
    if name in ("--version", "--help"):
        return []
    if name not in COMMANDS:
        return [name]
    command: Any = load(name)
    while getattr(command, "commands", None):
        if rest[0] not in command.commands:
            return [f"{name} {rest[0]}"]
        command, rest = command.commands[rest[0]], rest[1:]
    known = {spelling for p in command.params for spelling in (*p.opts, *p.secondary_opts)}
    given = {word.partition("=")[0] for word in rest if re.match(r"--?[a-z]", word)}
    return [f"{name}: {option}" for option in sorted(given - known - {"-h", "--help"})]


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_names_exists(page: str) -> None:
    assert [path for path in paths_in(text_of(page)) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_link_within_the_repository_leads_somewhere(page: str) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", text_of(page)):
        if "://" in link:
            continue
        file, _, anchor = link.partition("#")
        target = (ROOT / page).parent / file if file else ROOT / page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text(encoding="utf-8")), link


@pytest.mark.parametrize("page", PAGES)
def test_every_command_and_option_that_a_page_shows_exists(page: str) -> None:
    assert [wrong for line in command_lines(text_of(page)) for wrong in wrong_words(line)] == []


def test_a_command_line_with_a_slip_is_found() -> None:
    text = "```bash\nbin/nightjar audit --deeply\nbin/nightjar filter chek X\nbin/nightjar x\n```\n"
    found = [wrong for line in command_lines(text) for wrong in wrong_words(line)]
    assert found == ["audit: --deeply", "filter chek", "x"]


@pytest.mark.parametrize("page", PAGES)
def test_every_setting_in_the_commands_of_a_page_exists(page: str) -> None:
    for line in command_lines(text_of(page)):
        values = [line[n + 1] for n, word in enumerate(line) if word == "--set"]
        load_settings("ztf", overrides=values)


def test_package_citation_and_changelog_have_one_version() -> None:
    project = tomllib.loads(text_of("pyproject.toml"))["project"]
    (cited,) = re.findall(r"^version: (\S+)$", text_of("CITATION.cff"), re.MULTILINE)
    versions = re.findall(r"^## \[(\d\S*)\]", text_of("CHANGELOG.md"), re.MULTILINE)
    assert [cited, versions[0], version("nightjar-broker")] == [project["version"]] * 3


def test_the_names_of_upgrading_are_those_of_the_settings() -> None:
    """Classes that docs/upgrading.md gives as new are importable from broker.settings."""
    new = re.findall(r"\| `(\w+Settings)` \|$", text_of("docs/upgrading.md"), re.MULTILINE)
    assert len(new) > 5
    assert [name for name in new if not hasattr(sections, name)] == []

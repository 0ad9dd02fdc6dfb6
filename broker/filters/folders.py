"""Folders of filter files: ``filters.folder``, and ``filters.own_folder`` if it is set.

Files at the top of a folder say by their key ``survey`` whose alerts they select. A sub-folder
named like a survey is for filters of that survey only; other sub-folders are not read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from broker.errors import InputError
from broker.filters.definition import FilterFile, line_of_key, read_filter
from broker.settings import FiltersSettings
from broker.surveys import SURVEYS


@dataclass(frozen=True)
class FilterFolders:
    """Folders whose filters run together.

    Parameters
    ----------
    folders
        Each with one TOML file per filter.
    """

    folders: tuple[Path, ...]

    @classmethod
    def of(cls, settings: FiltersSettings) -> FilterFolders:
        """Folders that the settings name."""
        own = () if settings.own_folder is None else (settings.own_folder,)
        return cls((settings.folder, *own))

    def files(self, survey: str | None = None) -> list[Path]:
        """List the filter files, sorted in each folder; editors' hidden files are left out.

        Parameters
        ----------
        survey
            Leaves out the sub-folders of other surveys.

        Raises
        ------
        InputError
            One of the folders does not exist.
        """
        surveys = SURVEYS if survey is None else (survey,)
        found: list[Path] = []
        for folder in self.folders:
            if not folder.is_dir():
                raise InputError(
                    f"{folder} is not a folder: filters.folder and filters.own_folder name "
                    "folders of TOML files"
                )
            for part in (folder, *(folder / name for name in surveys)):
                found += sorted(path for path in part.glob("*.toml") if path.name[0] != ".")
        return list(dict.fromkeys(found))

    def read(self, path: Path) -> FilterFile:
        """Read one of the files.

        Raises
        ------
        InputError
            The file cannot be used, or is in the sub-folder of another survey.
        """
        file = read_filter(path)
        survey = file.filter.survey
        if path.parent not in self.folders and path.parent.name != survey:
            raise InputError(
                f"{path}:{line_of_key(file.text, 'survey')}: survey = {survey!r}, but the folder "
                f"{path.parent} is for filters of {path.parent.name}; move the file or change "
                "the key"
            )
        return file

    def load(self, survey: str | None = None) -> tuple[list[FilterFile], list[InputError]]:
        """Read all filters, of one survey or of all; return also the errors of bad files.

        Filters of one survey that share a name are all errors.
        """
        files: list[FilterFile] = []
        problems: list[InputError] = []
        for path in self.files(survey):
            try:
                file = self.read(path)
            except InputError as error:
                problems.append(error)
                continue
            if survey in (None, file.filter.survey):
                files.append(file)
        duplicates = duplicate_names(files)
        problems.extend(duplicates.values())
        return [file for file in files if file.path not in duplicates], problems


def duplicate_names(files: Sequence[FilterFile]) -> dict[Path, InputError]:
    """Errors for files whose filter has the name of another filter of its survey."""
    first: dict[tuple[str, str], FilterFile] = {}
    errors = {}
    for file in files:
        key = (file.filter.survey, file.filter.name)
        other = first.setdefault(key, file)
        if other is not file:
            errors[other.path] = _duplicate(other, file)
            errors[file.path] = _duplicate(file, other)
    return errors


def _duplicate(file: FilterFile, other: FilterFile) -> InputError:
    return InputError(
        f"{file.path}:{line_of_key(file.text, 'name')}: {other.path} has the name "
        f"{file.filter.name!r} too; two filters of a survey cannot share a topic, so rename one"
    )

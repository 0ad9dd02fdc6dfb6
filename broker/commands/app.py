"""The command line: a table of commands whose modules are loaded only when they are called."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperGroup
from typer.main import get_command

from broker.errors import FatalError, NightjarError, UsageError, one_line


class Entry(NamedTuple):
    """A command that is not loaded yet."""

    target: str
    """``module:name`` of a function or a ``typer.Typer``."""
    summary: str


# In the order in which a newcomer meets them.
COMMANDS: dict[str, Entry] = {
    "demo": Entry("broker.commands.demo:main", "Show the whole broker in a minute."),
    "kafka": Entry(
        "broker.commands.kafka:app", "Start, stop or look at the embedded single-node Kafka."
    ),
    "run": Entry("broker.commands.run:main", "Run the stages in one Spark application."),
    "status": Entry(
        "broker.commands.status:main", "Show what runs, what waits and the last day's counts."
    ),
    "simulate": Entry(
        "broker.commands.simulate:main", "Play a recorded or synthetic night into Kafka."
    ),
    "consume": Entry(
        "broker.commands.consume:main", "Read alerts from a topic or files: show, choose, save."
    ),
    "topics": Entry(
        "broker.commands.topics:main", "List what there is to subscribe to: sentence, rate, schema."
    ),
    "schema": Entry(
        "broker.commands.schema:main", "Show a packet's version, framing, fields and types."
    ),
    "science": Entry(
        "broker.commands.science:app", "Explain what the science modules make of an alert."
    ),
    "filter": Entry(
        "broker.commands.filter:app", "List, check, back-test and compare filters; ask why."
    ),
    "classify": Entry(
        "broker.commands.classify:main", "Score light curves with the stream's classifier."
    ),
    "object": Entry("broker.commands.query:object_", "Show all alerts of an object."),
    "objects": Entry("broker.commands.query:objects", "List objects with their latest state."),
    "cone": Entry("broker.commands.query:cone", "Find the alerts within a circle on the sky."),
    "sql": Entry("broker.commands.query:sql", "Run an SQL query over the tables."),
    "night": Entry(
        "broker.commands.query:night", "Count a night's alerts by class, filter and verdict."
    ),
    "export": Entry(
        "broker.commands.export:app", "Write nights as a catalogue for other tools (HATS)."
    ),
    "describe": Entry(
        "broker.commands.describe:main", "List a table's columns: type, unit, meaning."
    ),
    "plot": Entry("broker.commands.plot:main", "Draw an object, a packet or a night."),
    "archive": Entry("broker.commands.archive:main", "Close nights: move them to the archive."),
    "reprocess": Entry(
        "broker.commands.reprocess:main", "Compute the science of closed nights again."
    ),
    "diff": Entry("broker.commands.diff:main", "Compare a reprocessed night with the one before."),
    "audit": Entry("broker.commands.audit:main", "Prove that nothing is lost and nothing doubled."),
    "quarantine": Entry(
        "broker.commands.quarantine:app", "List, show and replay packets that could not be used."
    ),
    "train": Entry("broker.commands.train:main", "Train a survey's classifier."),
    "settings": Entry(
        "broker.commands.settings:main", "Print every setting: value, origin, meaning."
    ),
    "pack": Entry("broker.commands.pack:main", "Pack environment and project for a cluster."),
}
# A negative number, or a text of several words that begins with a dash, such as an SQL comment:
# names of options have no blanks and no digits in front.
_VALUE = re.compile(r"-\.?\d|-(inf|nan)\b|-[^=\s]*\s", re.IGNORECASE)


_WHOLE_BROKER = {
    **dict.fromkeys(("pyspark", "py4j", "lightgbm", "scipy", "prometheus_client"), "broker"),
    "sklearn": "train",
}
"""Package that only an extra installs → that extra."""


class LazyGroup(TyperGroup):
    """Lists commands from the table and imports the one that is called."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Put the called command in the place of its placeholder."""
        if args and args[0] in COMMANDS:
            self.commands[args[0]] = load(args[0])
        return super().resolve_command(ctx, args)


def load(name: str) -> Any:
    """Import a command of the table."""
    module, _, attribute = COMMANDS[name].target.partition(":")
    target = getattr(import_module(module), attribute)
    if not isinstance(target, typer.Typer):
        function, target = target, typer.Typer(add_completion=False)
        target.command(name)(function)
    target._add_completion = False  # an option of the whole program, if at all
    return get_command(target)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"nightjar {version('nightjar-broker')}")
        raise typer.Exit


def _options(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Nightjar, an alert broker for time-domain astronomy."""


def _not_loaded() -> None:
    """Stand in for a command in the list of all commands."""


def build() -> Any:
    """Return the command line as one command that takes a list of words."""
    app = typer.Typer(
        cls=LazyGroup,
        add_completion=False,
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog="nightjar COMMAND --help describes a command.",
    )
    app.callback()(_options)
    for name, entry in COMMANDS.items():
        app.command(name, help=entry.summary)(_not_loaded)
    return get_command(app)


def _unlike_option(word: str) -> str:
    """Word that the parser cannot take for an option where it is a value.

    Numbers and SQL are read as before with a blank in front.
    """
    return f" {word}" if _VALUE.match(word) else word


def main(words: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 difference, 2 usage, 3 died."""
    given = sys.argv[1:] if words is None else words
    try:
        build().main(args=[_unlike_option(word) for word in given], prog_name="nightjar")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except NightjarError as error:
        print(f"nightjar: {error}", file=sys.stderr)
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - exit code 1 would mean "found a difference"
        failure = _missing_package(error) or _engine_failure(error)
        if failure is None:
            traceback.print_exc()
            return FatalError.exit_code
        print(f"nightjar: {failure}", file=sys.stderr)
        return failure.exit_code
    return 0


def run() -> None:
    """Entry point of the installed program."""
    sys.exit(main())


def _missing_package(error: Exception) -> NightjarError | None:
    """Error that names the extra which installs a missing package; None for other errors."""
    package = (error.name or "").partition(".")[0] if isinstance(error, ImportError) else ""
    extra = _WHOLE_BROKER.get(package)
    if extra is None:
        return None
    from broker.settings.paths import IN_CHECKOUT

    if IN_CHECKOUT:
        return UsageError(
            f"this command needs {package}, which is not in .venv; run `bin/test --version` once, "
            "which installs it"
        )
    return UsageError(
        f"this command needs {package}, which the reader's installation leaves out; install the "
        f"wheel with its extra [{extra}], as in pip install 'nightjar_broker-….whl[{extra}]'"
    )


def _engine_failure(error: Exception) -> NightjarError | None:
    """Error of DuckDB, Arrow or Spark as one line; None for other errors."""
    package = type(error).__module__.partition(".")[0]
    if package in ("_duckdb", "pyarrow"):
        return UsageError(f"the tables cannot be read so: {one_line(error)}")
    if package in ("pyspark", "py4j"):
        from broker.pipeline.runner import as_fatal

        return as_fatal("Spark failed", error)
    return None


if __name__ == "__main__":
    sys.exit(main())

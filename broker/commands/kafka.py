"""``nightjar kafka start|stop|status``: the embedded single-node Kafka."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from broker.commands.options import ConfOption, SetOption, SurveyOption
from broker.errors import SettingsError, UsageError

if TYPE_CHECKING:
    from broker.kafka.embedded.security import Security
    from broker.kafka.embedded.server import EmbeddedKafka

app = typer.Typer(no_args_is_help=True, help="A real Kafka on this machine, for trials and tests.")

Port = Annotated[
    int | None, typer.Option(help="Port for clients; the controller takes the next one.")
]
Folder = Annotated[
    Path | None, typer.Option("--dir", help="Folder of its topics and log.", file_okay=False)
]


@app.command()
def start(
    port: Port = None,
    folder: Folder = None,
    survey: SurveyOption = None,
    conf: ConfOption = None,
    words: SetOption = None,
    secure: Annotated[
        bool,
        typer.Option(
            "--secure", help="With TLS, passwords and rights, all generated, kept with the folder."
        ),
    ] = False,
) -> None:
    """Start Kafka and return when it answers; it goes on running in the background."""
    kafka = _kafka(port, folder, survey, conf, words, secure)
    if kafka.start():
        print(f"Kafka is up at {kafka.servers}")
    else:
        print(f"Kafka runs already at {kafka.servers}")
    print(f"topics  {kafka.folder}")
    print(f"log     {kafka.log_file}")
    if kafka.security is not None:
        _show_security(kafka.security)


def _show_security(security: Security) -> None:
    from broker.kafka.embedded.host import HOST
    from broker.kafka.embedded.security import OPEN_GROUPS, READER, WRITER

    print(f"jobs, simulate  --conf {security.settings_file(WRITER)}")
    print(f"subscribers     --conf {security.settings_file(READER)}")
    print(f"                who may read {security.output_prefix}_*, in groups {READER}-*")
    if security.open_port is not None:
        print(f"anybody         at {HOST}:{security.open_port}: the same, in groups {OPEN_GROUPS}*")


@app.command()
def stop(
    port: Port = None,
    folder: Folder = None,
    survey: SurveyOption = None,
    conf: ConfOption = None,
    words: SetOption = None,
) -> None:
    """Stop Kafka cleanly; its topics stay."""
    kafka = _kafka(port, folder, survey, conf, words)
    running = kafka.status()
    if port is not None and running.pid is not None and running.port != port:
        raise UsageError(
            f"the Kafka of {kafka.folder} runs at port {running.port}, not {port}; "
            "name the one to stop by its folder, with --dir"
        )
    print("Kafka is stopped" if kafka.stop() else f"no Kafka of {kafka.folder} is running")


@app.command()
def status(
    port: Port = None,
    folder: Folder = None,
    survey: SurveyOption = None,
    conf: ConfOption = None,
    words: SetOption = None,
) -> None:
    """Tell whether Kafka runs: exit code 0 when it answers, 1 otherwise."""
    kafka = _kafka(port, folder, survey, conf, words)
    found = kafka.status()
    if found.pid is None or port not in (None, found.port):
        print(f"no Kafka of {kafka.folder} is running{f' at port {port}' if port else ''}")
        raise typer.Exit(1)
    if not found.answers:
        print(f"Kafka (process {found.pid}) does not answer at {found.servers}: {kafka.log_file}")
        raise typer.Exit(1)
    print(f"Kafka is up at {found.servers} (process {found.pid})")
    print(f"topics  {kafka.folder}")
    print(f"log     {kafka.log_file}")


def _kafka(
    port: int | None,
    folder: Path | None,
    survey: str | None,
    conf: Path | None,
    words: list[str] | None,
    secure: bool = False,
) -> EmbeddedKafka:
    from broker.kafka.embedded.security import Security
    from broker.kafka.embedded.server import EmbeddedKafka
    from broker.settings import load_settings

    settings = load_settings(survey, conf, words)
    embedded = settings.embedded_kafka
    where = folder or embedded.folder or _default_folder(settings.storage.root)
    secrets = where.resolve() / "secure"
    security = Security(
        secrets, settings.kafka.input_topic, settings.kafka.output_prefix, embedded.open_port
    )
    # A folder that has users keeps them, so that nobody opens it to all by leaving a word out.
    is_secure = secure or secrets.exists()
    if embedded.open_port is not None and not is_secure:
        raise SettingsError(
            "embedded_kafka.open_port is for a secure Kafka; without --secure every port is open"
        )
    return EmbeddedKafka(
        where,
        port or embedded.port,
        properties_file=embedded.properties_file,
        security=security if is_secure else None,
    )


def _default_folder(root: str) -> Path:
    address = urlsplit(root)
    if address.scheme not in ("", "file"):
        raise SettingsError(
            f"storage.root is {root}, where Kafka cannot keep its topics; "
            "set embedded_kafka.folder, or give --dir, a folder of this machine"
        )
    return Path(address.path) / "kafka"

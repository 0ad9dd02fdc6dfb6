"""One exception tree: every error names the thing, the value and the next step.

::

    NightjarError
    ├── UsageError       exit 2   wrong words on the command line
    ├── SettingsError    exit 2   a setting that cannot be used
    ├── InputError       exit 2   a file, packet or schema that somebody handed us
    ├── CheckFailed      exit 1   a check ran and found a difference
    └── FatalError       exit 3   a stream cannot go on; nothing was lost
        ├── DataLoss         the broker no longer has what we have not read
        ├── LedgerError      the ledger contradicts the data
        ├── PublishError     a batch could not be written or sent
        └── LockHeld         another live process writes this stage
"""

from __future__ import annotations


def one_line(error: BaseException) -> str:
    r"""An engine's error without its quotation of the query and without its stack trace.

    Examples
    --------
    >>> one_line(ValueError("no column x!\nThere is: y\n\nLINE 1: select x"))
    'no column x! There is: y'
    """
    return " ".join(str(error).strip().partition("\n\n")[0].split())


class NightjarError(Exception):
    """Base of all errors that Nightjar raises on purpose."""

    exit_code = 3


class UsageError(NightjarError):
    """The command line cannot be understood."""

    exit_code = 2


class SettingsError(NightjarError):
    """A setting is unknown, malformed or impossible together with another."""

    exit_code = 2


class InputError(NightjarError):
    """A file, packet or schema cannot be used.

    Parameters
    ----------
    message
        What is wrong, with the offending value and the next step.
    reason
        Short machine-readable code; of packets and schemas a `broker.packets.reasons.Reason`.
    """

    exit_code = 2

    def __init__(self, message: str, reason: str = "input") -> None:
        super().__init__(message)
        self.reason = reason


class CheckFailed(NightjarError):
    """A check ran to its end and found a difference."""

    exit_code = 1


class FatalError(NightjarError):
    """A stream cannot go on; what is committed stays whole and the next start continues."""

    exit_code = 3


class DataLoss(FatalError):
    """Kafka no longer holds records that the ledger says we have not read."""


class LedgerError(FatalError):
    """The ledger contradicts itself or the data."""


class PublishError(FatalError):
    """A batch could not be written to storage or sent to Kafka."""


class LockHeld(FatalError):
    """Another live process holds the write lock of this stage and survey."""

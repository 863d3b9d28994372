"""Errors a user can act on.

Every message says what was given, what is valid and what to do, in one or two sentences. The command
line prints it on stderr and exits with `exit_code`; the server answers with `http_status`.
"""


class SonicError(Exception):
    """A user's mistake or a limit of the machine, told in words; never an internal fault."""

    exit_code = 2
    http_status = 422


class BadInputError(SonicError):
    """A portrait, a sound or a setting that cannot be used."""


class NoFaceError(BadInputError):
    """No usable face in the portrait."""


class MissingPieceError(SonicError):
    """A package, a system library or a weight file is missing; the message says how to get it."""

    http_status = 503


class BusyError(SonicError):
    """All places are taken."""

    http_status = 503


class UnknownSessionError(SonicError):
    """The session named does not exist (any more)."""

    http_status = 404

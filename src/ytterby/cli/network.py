"""Options that the commands of the network share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ytterby.dicom.network.peer import Archive, TlsFiles
    from ytterby.dicom.network.web import WebArchive

__all__ = [
    "AnswerSeconds",
    "ArchiveName",
    "ConnectSeconds",
    "OwnTitle",
    "Tls",
    "TlsCertificate",
    "TlsKey",
    "TlsTrusted",
    "TokenFile",
    "UserFile",
    "Web",
    "archive_of",
    "plain",
    "tls_files",
]

OwnTitle = Annotated[str, typer.Option("--title", help="Our own AE title, as the other machine knows it.")]
Tls = Annotated[bool, typer.Option("--tls", help="Speak TLS; the other's certificate is always checked.")]
TlsCertificate = Annotated[Path | None, typer.Option("--tls-certificate", help="Our certificate (PEM).")]
TlsKey = Annotated[Path | None, typer.Option("--tls-key", help="The key of our certificate (PEM, no password).")]
TlsTrusted = Annotated[
    Path | None, typer.Option("--tls-trusted", help="Certificates (PEM) that are trusted, instead of the system's.")
]
ConnectSeconds = Annotated[float, typer.Option("--connect-seconds", min=0.1, help="Patience for connecting.")]
Web = Annotated[bool, typer.Option("--web", help="The archive is a DICOMweb address, https://HOST/dicom-web.")]
TokenFile = Annotated[
    Path | None, typer.Option("--token-file", help="File with a bearer token (or the variable YTTERBY_TOKEN).")
]
UserFile = Annotated[
    Path | None, typer.Option("--user-file", help="File with user:password (or the variable YTTERBY_USER).")
]
ArchiveName = Annotated[str, typer.Argument(metavar="ARCHIVE", help="TITLE@HOST:PORT, or with --web an address.")]
AnswerSeconds = Annotated[float, typer.Option("--answer-seconds", min=0.1, help="Patience for each answer.")]


def plain(text: str) -> str:
    """Text of another machine, as a terminal may show it: nothing in it may steer the terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def tls_files(wanted: bool, certificate: Path | None, key: Path | None, trusted: Path | None) -> TlsFiles | None:
    """Files of TLS; None where it is not wanted. ConfigurationError where files are given, and TLS is not."""
    from ytterby.dicom.network.peer import TlsFiles
    from ytterby.errors import ConfigurationError

    if wanted:
        return TlsFiles(certificate, key, trusted)
    if certificate or key or trusted:
        raise ConfigurationError("certificates are given, but not --tls", where="--tls", remedy="add --tls")
    return None


def archive_of(
    words: str,
    own_title: str,
    *,
    web: bool,
    secrets: tuple[Path | None, Path | None],
    tls: tuple[bool, Path | None, Path | None, Path | None],
    patience_seconds: tuple[float, float],
) -> Archive | WebArchive:
    """The archive that a command names: a DICOMweb address with ``web``, else TITLE@HOST:PORT.

    ``secrets`` are the files of a token and of a user, ``tls`` whether it is wanted and the files of certificate, key and trust,
    ``patience_seconds`` those for connecting and for an answer. ConfigurationError where they do not fit together.
    """
    if web:
        return _web_archive(words, _tls_of_web(*tls), *secrets, *patience_seconds)
    return _dicom_archive(words, own_title, tls_files(*tls), *patience_seconds)


def _dicom_archive(
    words: str, own_title: str, tls: TlsFiles | None, connect_seconds: float, answer_seconds: float
) -> Archive:
    """Archive from ``TITLE@HOST:PORT``; ConfigurationError when it is written otherwise."""
    from ytterby.dicom.network.peer import Archive, checked_port, checked_title
    from ytterby.errors import ConfigurationError

    title, at, place = words.partition("@")
    host, colon, port = place.rpartition(":")
    if not at or not colon or not host.strip("[]") or not (port.isascii() and port.isdigit()):
        raise ConfigurationError(
            f"'{plain(words[:80])}' is no archive",
            where="ARCHIVE",
            remedy="add --web, for this is a web address"
            if words.startswith(("http://", "https://"))
            else "write TITLE@HOST:PORT, or an https:// address with --web",
        )
    return Archive(
        host=host.strip("[]"),
        port=checked_port(int(port)),
        title=checked_title(title),
        own_title=checked_title(own_title),
        tls=tls,
        connect_seconds=connect_seconds,
        answer_seconds=answer_seconds,
    )


def _tls_of_web(wanted: bool, certificate: Path | None, key: Path | None, trusted: Path | None) -> TlsFiles | None:
    """Files of TLS for https, which needs no --tls to be spoken; None where none is given."""
    return tls_files(wanted or bool(certificate or key or trusted), certificate, key, trusted)


def _web_archive(
    url: str,
    tls: TlsFiles | None,
    token_file: Path | None,
    user_file: Path | None,
    connect_seconds: float,
    answer_seconds: float,
) -> WebArchive:
    """DICOMweb archive, with the one secret that is given: a file before the environment, never the command line."""
    import os

    from ytterby.dicom.network.web import Credentials, WebArchive, secret_of
    from ytterby.errors import ConfigurationError

    if token_file and user_file:
        raise ConfigurationError("a token and a user", where="--token-file, --user-file", remedy="give one of them")
    credentials = None
    if token_file:
        credentials = Credentials.bearer(secret_of(token_file))
    elif user_file:
        credentials = Credentials.basic(secret_of(user_file))
    elif os.environ.get("YTTERBY_TOKEN"):
        credentials = Credentials.bearer(os.environ["YTTERBY_TOKEN"])
    elif os.environ.get("YTTERBY_USER"):
        credentials = Credentials.basic(os.environ["YTTERBY_USER"])
    return WebArchive(
        url, credentials=credentials, tls=tls, connect_seconds=connect_seconds, answer_seconds=answer_seconds
    )

"""Who talks with whom: titles, addresses, and the certificates by which they know each other."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ytterby.errors import ConfigurationError

__all__ = [
    "Archive",
    "PeerRule",
    "TlsFiles",
    "admitted",
    "checked_port",
    "checked_title",
    "client_context",
    "server_context",
]


def checked_title(title: str) -> str:
    """AE title without the spaces around it; ConfigurationError when it is none (DICOM PS3.5 table 6.2-1)."""
    stripped = title.strip()
    if not 1 <= len(stripped) <= 16 or not (stripped.isascii() and stripped.isprintable()) or "\\" in stripped:
        shown = "".join(letter if letter.isprintable() else "?" for letter in title[:40])
        raise ConfigurationError(
            f"'{shown}' is no AE title",
            where="AE title",
            remedy="give 1 to 16 characters of ASCII without a backslash, as the other machine has it",
        )
    return stripped


def checked_port(port: int, *, any_free: bool = False) -> int:
    """The port itself; ConfigurationError when it is none. ``any_free``: 0 is one, too."""
    if not (0 if any_free else 1) <= port <= 65535:
        raise ConfigurationError(f"{port} is no port", where="port", remedy="give a number from 1 to 65535")
    return port


@dataclass(frozen=True)
class TlsFiles:
    """PEM files: an own certificate with its key, and the certificates of those that are trusted."""

    certificate: Path | None = None
    key: Path | None = None
    trusted: Path | None = None


@dataclass(frozen=True)
class Archive:
    """Another machine that speaks DICOM: where it is, its AE title, and the title by which it knows us."""

    host: str
    port: int
    title: str
    own_title: str = "YTTERBY"
    tls: TlsFiles | None = None
    connect_seconds: float = 10.0
    answer_seconds: float = 60.0

    def __str__(self) -> str:
        return f"{self.title} at {self.host}:{self.port}"


@dataclass(frozen=True)
class PeerRule:
    """Who may send: a calling AE title, an address or network, or both; "" and None stand for any."""

    title: str = ""
    network: ipaddress.IPv4Network | ipaddress.IPv6Network | None = None

    @classmethod
    def parsed(cls, text: str) -> PeerRule:
        """Rule from ``TITLE``, ``TITLE@ADDRESS`` or ``@ADDRESS``; an address may be a network (10.0.0.0/24)."""
        title, _, address = text.partition("@")
        if not title.strip() and not address:
            raise ConfigurationError("an empty rule", where="--peer", remedy="give TITLE, TITLE@ADDRESS or @ADDRESS")
        try:
            network = ipaddress.ip_network(address, strict=False) if address else None
        except ValueError as error:
            raise ConfigurationError(
                f"'{address[:60]}' is no address of the internet protocol",
                where="--peer",
                remedy="give numbers, such as 10.0.0.7 or 10.0.0.0/24",
            ) from error
        return cls(checked_title(title) if title.strip() else "", network)

    def admits(self, title: str | None, address: str) -> bool:
        """True when the rule lets this machine send; without a ``title``, when it might."""
        place = ipaddress.ip_address(address)
        if isinstance(place, ipaddress.IPv6Address) and place.ipv4_mapped is not None:
            place = place.ipv4_mapped
        if self.network is not None and place not in self.network:
            return False
        return not self.title or title is None or title.strip() == self.title


def admitted(rules: Sequence[PeerRule], title: str | None, address: str) -> bool:
    """True when one of the rules admits the machine, or when there is no rule."""
    return not rules or any(rule.admits(title, address) for rule in rules)


def client_context(files: TlsFiles) -> ssl.SSLContext:
    """TLS for those who call: the other's certificate and name are checked, always.

    Raises
    ------
    ConfigurationError
        A file is missing, is no PEM, or certificate and key do not belong together.
    """
    context = _loaded(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), files)
    if files.trusted is None:
        context.load_default_certs()
    return context


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """TLS for those who are called; with trusted certificates, callers must show one that these have signed.

    Raises
    ------
    ConfigurationError
        The own certificate is not given, a file is missing or is no PEM, or certificate and key do not belong together.
    """
    if files.certificate is None:
        raise ConfigurationError(
            "a listener needs a certificate of its own", where="TLS", remedy="give --tls-certificate and --tls-key"
        )
    context = _loaded(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), files)
    if files.trusted is not None:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _loaded(context: ssl.SSLContext, files: TlsFiles) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for path in (files.certificate, files.key, files.trusted):
        if path is not None and not path.is_file():
            raise ConfigurationError("there is no such file", where=str(path), remedy="give a PEM file")
    try:
        if files.certificate is not None:
            # An empty answer instead of a question on the terminal when the key has a password.
            context.load_cert_chain(files.certificate, files.key, password="")
        if files.trusted is not None:
            context.load_verify_locations(files.trusted)
    except (ssl.SSLError, ValueError, OSError) as error:
        raise ConfigurationError(
            f"certificate or key cannot be used ({getattr(error, 'reason', None) or error})",
            where=str(files.certificate or files.trusted),
            remedy="give PEM files without a password; the key has to belong to the certificate",
        ) from error
    return context

"""DICOMweb: a bounded conversation by HTTP that leads nowhere but to the machine that was named."""

from __future__ import annotations

import base64
import contextlib
import ipaddress
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlencode, urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter

from ytterby.dicom.network.peer import TlsFiles, client_context
from ytterby.errors import ConfigurationError, NetworkError

__all__ = ["Credentials", "WebArchive", "secret_of"]

_MOST_JSON = 64 * 2**20
_MOST_REDIRECTS = 3
_CHUNK = 2**16
_MOST_WRAPPERS = 10
_REASONS = {
    400: "it does not understand the question",
    401: "it wants to know who asks",
    403: "it does not allow it",
    404: "there is no such thing",
    406: "it cannot answer in the form that was asked for",
    409: "it refuses the objects",
    413: "it finds the object too large",
    415: "it does not take this kind of object",
    503: "it is busy",
}


@dataclass(frozen=True, repr=False)
class Credentials:
    """Who we are, as the header Authorization says it; never shown."""

    header: str

    @classmethod
    def bearer(cls, token: str) -> Credentials:
        """A token (RFC 6750)."""
        return cls(f"Bearer {_one_line(token)}")

    @classmethod
    def basic(cls, user_and_password: str) -> Credentials:
        """A user and a password, with a colon between them (RFC 7617)."""
        if ":" not in user_and_password:
            raise ConfigurationError(
                "no colon between user and password", where="credentials", remedy="write user:password"
            )
        return cls("Basic " + base64.b64encode(_one_line(user_and_password).encode()).decode())


def _one_line(secret: str) -> str:
    stripped = secret.strip()
    if not stripped or not stripped.isprintable():
        raise ConfigurationError(
            "the secret is empty, or has several lines", where="credentials", remedy="write one line"
        )
    return stripped


class _Adapter(HTTPAdapter):
    """Transport with our own TLS context: own certificate, and trusted ones instead of the system's."""

    def __init__(self, tls: TlsFiles) -> None:
        self._tls = tls
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Open the pool with the context."""
        super().init_poolmanager(*arguments, ssl_context=client_context(self._tls), **options)

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Leave the check of certificates to the context: it is always on."""


class WebArchive:
    """An archive's DICOMweb address, and how to talk with it. Use it as a context.

    Certificates are always checked, proxies of the environment are not used, and no answer leads to another machine.

    Raises
    ------
    ConfigurationError
        The address is none, or would carry ``credentials`` over a network in the clear.
    """

    def __init__(
        self,
        url: str,
        *,
        credentials: Credentials | None = None,
        tls: TlsFiles | None = None,
        connect_seconds: float = 10.0,
        answer_seconds: float = 60.0,
    ) -> None:
        address = urlsplit(url)
        if address.scheme not in ("http", "https") or not address.hostname or address.query or address.fragment:
            raise ConfigurationError("this is no web address", where="--web", remedy="write https://HOST/dicom-web")
        if address.username or address.password:
            raise ConfigurationError(
                "the address holds a password, which others can see", where="--web", remedy="use --user-file"
            )
        if credentials is not None and address.scheme == "http" and not _loopback(address.hostname):
            raise ConfigurationError(
                "credentials would go over the network in the clear", where="--web", remedy="use https://"
            )
        self.url = url.rstrip("/")
        self._origin = (address.scheme, address.netloc)
        self._timeout = (connect_seconds, answer_seconds)
        self._session = requests.Session()
        self._session.trust_env = False
        if credentials is not None:
            self._session.headers["Authorization"] = credentials.header
        if tls is not None:
            self._session.mount("https://", _Adapter(tls))

    def __str__(self) -> str:
        return self.url

    def __enter__(self) -> WebArchive:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def answer_json(self, path: str, accept: str, parameters: Mapping[str, str] | None = None, **request: Any) -> Any:
        """The answer as JSON; None when it has no content. NetworkError when it is an error, too large, or no JSON."""
        with self.response(path, accept, parameters, **request) as response:
            return self.read_json(response)

    def read_json(self, response: requests.Response) -> Any:
        """Body of a response as JSON; None when it has no content; NetworkError when it is too large or no JSON."""
        body = bytearray()
        for piece in self.pieces(response):
            body += piece
            if len(body) > _MOST_JSON:
                raise NetworkError(
                    f"the answer has more than {_MOST_JSON} bytes", where=self.url, remedy="narrow the search"
                )
        if not body:
            return None
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            raise NetworkError(
                "the answer is no JSON", where=self.url, remedy="check the address of DICOMweb"
            ) from error

    @contextmanager
    def response(
        self,
        path: str,
        accept: str,
        parameters: Mapping[str, str] | None = None,
        *,
        body: BinaryIO | None = None,
        content_type: str = "",
        taken: tuple[int, ...] = (),
    ) -> Iterator[requests.Response]:
        """The response to GET, or to POST of a ``body``; codes of error in ``taken`` are the caller's to judge.

        Raises
        ------
        NetworkError
            The machine cannot be reached, TLS fails, it answers with an error, or it leads elsewhere.
        """
        url = f"{self.url}/{path}"
        headers = {"Accept": accept, **({"Content-Type": content_type} if content_type else {})}
        with contextlib.ExitStack() as stack:
            for _ in range(_MOST_REDIRECTS + 1):
                with self._told():
                    response = stack.enter_context(
                        self._session.request(
                            "GET" if body is None else "POST",
                            url,
                            # Signs that need no escape get none: Orthanc 1.10 takes %2A for three letters.
                            params=urlencode(parameters or {}, safe="*?,:/@"),
                            data=body,
                            headers=headers,
                            timeout=self._timeout,
                            stream=True,
                            allow_redirects=False,
                        )
                    )
                if response.status_code not in (301, 302, 303, 307, 308):
                    break
                url, parameters = self._redirected(url, response), None
                if body is not None:
                    raise NetworkError("it moved", where=self.url, remedy=f"give the new address: {url[:120]}")
            else:
                raise NetworkError("it leads round in circles", where=self.url, remedy="check the address of DICOMweb")
            if response.status_code >= 400 and response.status_code not in taken:
                code = response.status_code
                raise NetworkError(
                    f"{_REASONS.get(code, 'it answers with an error')} (HTTP {code})",
                    where=self.url,
                    remedy="give --token-file or --user-file"
                    if code == 401
                    else "check address, rights and the server's log",
                )
            yield response

    def pieces(self, response: requests.Response) -> Iterator[bytes]:
        """Body of a response, piece by piece; NetworkError when it breaks off."""
        source = response.iter_content(_CHUNK)
        while True:
            with self._told():
                piece = next(source, None)
            if piece is None:
                return
            yield piece

    def _redirected(self, url: str, response: requests.Response) -> str:
        target = urljoin(url, response.headers.get("Location", ""))
        there = urlsplit(target)
        if (there.scheme, there.netloc) != self._origin:
            shown = "".join(
                letter if letter.isprintable() else "?" for letter in f"{there.scheme}://{there.netloc}"[:100]
            )
            raise NetworkError(
                f"it leads to another machine ({shown}), where we do not follow",
                where=self.url,
                remedy="give that address itself, when you trust it",
            )
        return target

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Context in which what requests raises becomes a NetworkError."""
        try:
            yield
        except requests.exceptions.SSLError as error:
            raise NetworkError(
                f"TLS failed ({_innermost(error)})",
                where=self.url,
                remedy="give the certificate of its issuer with --tls-trusted; the name has to be that of the certificate",
            ) from error
        except requests.exceptions.Timeout as error:
            raise NetworkError(
                "no answer in time", where=self.url, remedy="give more time with --connect-seconds or --answer-seconds"
            ) from error
        except (requests.exceptions.RequestException, OSError) as error:
            raise NetworkError(
                f"the connection failed ({_innermost(error)})",
                where=self.url,
                remedy="check the address, and that it runs",
            ) from error


def _innermost(error: BaseException) -> str:
    """The system's own words: what requests wraps around them speaks of its classes."""
    reason: Any = error
    for _ in range(_MOST_WRAPPERS):
        arguments = getattr(reason, "args", ())
        inner = (getattr(reason, "reason", None), arguments[0] if arguments else None, reason.__cause__)
        wrapped = next((one for one in inner if isinstance(one, BaseException)), None)
        if wrapped is None:
            break
        reason = wrapped
    return str(getattr(reason, "strerror", None) or reason)[:160]


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def secret_of(path: Path) -> str:
    """First line of a file that holds a secret; ConfigurationError when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")[:8192]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            "the secret cannot be read", where=str(path), remedy="check path and rights"
        ) from error

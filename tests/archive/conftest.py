"""A real archive (Orthanc) and real peers (dcmtk) on loopback, started by the tests and stopped with them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ytterby.dicom.network.arrivals import Received
from ytterby.dicom.network.guard import Limits
from ytterby.errors import YtterbyError
from ytterby.workflow.listen import Listening, listen
from ytterby.workflow.simulate import simulate_patient

PLUGINS = (
    "/usr/share/orthanc/plugins/libOrthancDicomWeb.so",
    "/usr/lib/orthanc/libOrthancDicomWeb.so",
    "/usr/local/share/orthanc/plugins/libOrthancDicomWeb.so",
)


def missing(reason: str) -> None:
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(f"CI must have it: {reason}", pytrace=False)
    pytest.skip(reason)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _until(ready: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    ends_at = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < ends_at, f"waited {seconds} s for {what}"
        time.sleep(0.05)


@pytest.fixture(scope="session")
def dcmtk() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a program of dcmtk (Debian: dcmtk)."""
    if shutil.which("storescu") is None:
        missing("dcmtk is not installed: apt-get install dcmtk")

    def run(*words: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False, timeout=60)

    return run


def whole_files(folder: Path) -> list[Path]:
    """Files that look whole, wherever they are; folders may move away meanwhile."""
    return sorted(Path(place, name) for place, _, names in os.walk(folder) for name in names if name.endswith(".dcm"))


@dataclass(frozen=True)
class Orthanc:
    """A running archive: its ports, its web address, and the port that it sends to for our title."""

    port: int
    http: int
    home_port: int
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def kill(self) -> None:
        """SIGKILL: it has no time to say anything."""
        self.processes[-1].kill()
        self.processes[-1].wait()

    @property
    def name(self) -> str:
        return f"ORTHANC@127.0.0.1:{self.port}"

    @property
    def web(self) -> str:
        return f"http://127.0.0.1:{self.http}/dicom-web"

    def rest(self, path: str, data: object = None, method: str | None = None) -> object:
        body = None if data is None else json.dumps(data).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.http}/{path}", data=body, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            content = answer.read()
        return json.loads(content) if content else None

    def clear(self) -> None:
        for patient in self.rest("patients"):
            self.rest(f"patients/{patient}", method="DELETE")


@contextmanager
def _running(folder: Path, **settings: object) -> Iterator[Orthanc]:
    """Orthanc with its storage in ``folder``, which may hold what an earlier one left there."""
    program = shutil.which("Orthanc", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    plugin = next((path for path in PLUGINS if Path(path).exists()), None)
    if program is None or plugin is None:
        missing("Orthanc is not installed: apt-get install orthanc orthanc-dicomweb")
    archive = Orthanc(free_port(), free_port(), free_port())
    (folder / "orthanc.json").write_text(
        json.dumps(
            {
                "Name": "tests",
                "StorageDirectory": str(folder / "storage"),
                "IndexDirectory": str(folder / "storage"),
                "HttpPort": archive.http,
                "DicomPort": archive.port,
                "DicomAet": "ORTHANC",
                "RemoteAccessAllowed": False,
                "AuthenticationEnabled": False,
                "DicomCheckCalledAet": True,
                "DicomAlwaysAllowStore": True,
                "DicomAlwaysAllowFind": True,
                "DicomAlwaysAllowMove": True,
                "DicomAlwaysAllowGet": True,
                "UnknownSopClassAccepted": True,
                "OverwriteInstances": False,
                "StableAge": 1,
                "Plugins": [plugin],
                "DicomModalities": {"ytterby": ["YTTERBY", "127.0.0.1", archive.home_port]},
                "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
                **settings,
            }
        )
    )
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen([str(program), str(folder / "orthanc.json")], stdout=log, stderr=log, cwd=folder)
    archive.processes.append(process)

    def answers() -> bool:
        assert process.poll() is None, (folder / "log.txt").read_text()[-2000:]
        # Orthanc 1.10 stops listening for DICOM after a TLS handshake that fails; the web comes last.
        for port in (archive.http,) if settings.get("DicomTlsEnabled") else (archive.http, archive.port):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)):
                    return False
        return True

    try:
        _until(answers, "Orthanc")
        yield archive
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    with _running(tmp_path_factory.mktemp("orthanc")) as archive:
        yield archive


@pytest.fixture(scope="session")
def running() -> Callable[..., AbstractContextManager[Orthanc]]:
    """Starts an archive of a test's own."""
    return _running


@dataclass
class Listener:
    """A running ``ytterby listen``: its port, and the lines that it has printed."""

    process: subprocess.Popen[str]
    out: Path
    port: int = 0
    log: Path = field(default_factory=Path)

    @property
    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.log.read_text().splitlines(keepends=True) if line.endswith("\n")]

    @property
    def studies(self) -> list[dict[str, object]]:
        return [line for line in self.lines if "study" in line]

    @property
    def objects(self) -> list[Path]:
        return whole_files(self.out)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)


@contextmanager
def _listening(out: Path, *words: object) -> Iterator[Listener]:
    """``ytterby listen`` as a process of its own, on a free port."""
    log = out.with_name(out.name + ".log")
    errors = out.with_name(out.name + ".err")
    command = [sys.executable, "-m", "ytterby", "listen", "--out", out, "--port", 0, "--json", "--min-free", 1, *words]
    if "--quiet-seconds" not in words:
        command += ["--quiet-seconds", "0.3"]
    with log.open("w") as printed, errors.open("w") as told:
        process = subprocess.Popen([str(word) for word in command], stdout=printed, stderr=told, text=True)
    listener = Listener(process, out, log=log)
    try:

        def up() -> bool:
            assert process.poll() is None, errors.read_text()
            return any("port" in line for line in listener.lines)

        _until(up, "the listener")
        listener.port = next(int(str(line["port"])) for line in listener.lines if "port" in line)
        yield listener
        assert errors.read_text() == ""
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@dataclass
class Ear:
    """``listen`` in a thread of this process: its port, and what it told."""

    out: Path
    port: int = 0
    told: list[Received] = field(default_factory=list)

    @property
    def whole(self) -> list[Received]:
        return [study for study in self.told if study.whole]

    @property
    def objects(self) -> list[Path]:
        return whole_files(self.out)


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[Callable[..., Ear]]:
    """Starts a listener in a thread; all are stopped with the test."""
    stop = threading.Event()
    threads: list[threading.Thread] = []
    failed: list[BaseException] = []

    def start(out: Path | None = None, *, limits: dict[str, float] | None = None, **how: object) -> Ear:
        one = Ear(out or tmp_path / "received")
        ready = threading.Event()
        bounds = Limits(**{"free_bytes": 1, "idle_seconds": 5.0, "opening_seconds": 5.0, **(limits or {})})
        settings = Listening(one.out, port=0, limits=bounds, **{"quiet_seconds": 0.2, "grace_seconds": 0.0, **how})

        def started(port: int) -> None:
            one.port = port
            ready.set()

        def run() -> None:
            try:
                listen(settings, stopped=stop.is_set, told=one.told.append, started=started)
            except YtterbyError as error:
                failed.append(error)
                ready.set()

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        assert ready.wait(20)
        assert not failed, failed
        return one

    yield start
    stop.set()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


@pytest.fixture(scope="session")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a virtual patient: CT, spect.dcm, segments.dcm, CASE.yaml."""
    folder = tmp_path_factory.mktemp("virtual") / "patient"
    simulate_patient(folder, seed=1)
    return folder


@pytest.fixture(scope="session")
def small(patient: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with ten slices of the patient's CT and his SPECT: eleven objects of one study."""
    folder = tmp_path_factory.mktemp("small")
    for path in sorted((patient / "CT").iterdir())[:10]:
        shutil.copy(path, folder / path.name)
    shutil.copy(patient / "spect.dcm", folder)
    return folder


def _dataset_bytes(path: Path) -> bytes:
    """What follows the meta header of a DICOM file (PS3.10 section 7.1), found without our own reader."""
    content = path.read_bytes()
    assert content[128:132] == b"DICM"
    assert content[132:140] == b"\x02\x00\x00\x00UL\x04\x00"
    return content[144 + int.from_bytes(content[140:144], "little") :]


def _ytterby(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ytterby", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


# Functions for the tests; test files do not import each other.


@pytest.fixture(scope="session")
def dataset_bytes() -> Callable[[Path], bytes]:
    return _dataset_bytes


@pytest.fixture(scope="session")
def ytterby() -> Callable[..., subprocess.CompletedProcess[str]]:
    return _ytterby


@pytest.fixture(scope="session")
def until() -> Callable[..., None]:
    return _until


@pytest.fixture(scope="session")
def listening() -> Callable[..., AbstractContextManager[Listener]]:
    return _listening

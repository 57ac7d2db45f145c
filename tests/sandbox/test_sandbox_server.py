"""Starting and stopping: in a thread, as a process, over TLS, after a crash."""

from __future__ import annotations

import datetime as dt
import ipaddress
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sandbox.server import Tls
from sandbox.testing import running_sandbox, sandbox_process
from tests.ports import free_port
from tests.waiting import PATIENCE, wait_for

LOAD = "/r1/DO/GOB/CNC/MONITOREO/INTEGRACION-DEV/api/load"
HEADERS = {"X-Road-Client": "DO/GOB/INST/SOLICITUDES"}

Entry = Callable[..., dict[str, Any]]


def make_certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1, as a security server has one, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / f"{name}.crt", folder / f"{name}.key"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate_file, key_file


def test_two_at_once(entry: Entry) -> None:
    """Sandboxes are independent, each with its own settings."""
    with running_sandbox() as one, running_sandbox(max_entries=1, generation="7.8") as two:
        assert one.port != two.port
        body = {"requests": [entry("A"), entry("B")]}
        assert requests.post(one.url + LOAD, json=body, headers=HEADERS, timeout=60).status_code == 201
        assert requests.post(two.url + LOAD, json=body, headers=HEADERS, timeout=60).status_code == 413
        two.reset()
        assert two.settings()["generation"] == "7.8"
        assert two.entries() == []


def test_memory_outlives_the_sandbox(tmp_path: Path, entry: Entry) -> None:
    """A file outlives its sandbox, can be read afterwards, and is continued by the next one."""
    body = {"requests": [entry()]}
    for run in (1, 2):
        with running_sandbox(tmp_path / "s.db", port=free_port()) as sandbox:
            requests.post(sandbox.url + LOAD, json=body, headers=HEADERS, timeout=60)
        assert list(sandbox.counts().values()) == [run]
        with pytest.raises(requests.exceptions.ConnectionError):
            requests.get(sandbox.url, timeout=60)


def test_stops_although_calls_hang(tmp_path: Path, entry: Entry) -> None:
    """Hanging and delayed calls end when the sandbox stops."""
    outcomes: list[type[BaseException]] = []

    def call(url: str) -> None:
        try:
            requests.post(url + LOAD, json={"requests": [entry()]}, headers=HEADERS, timeout=PATIENCE)
        except requests.exceptions.RequestException as exc:
            outcomes.append(type(exc))

    with running_sandbox(tmp_path / "s.db") as sandbox:
        sandbox.add_fault(kind="hang", times=1)
        sandbox.add_fault(kind="delay", seconds=600)
        threads = [threading.Thread(target=call, args=(sandbox.url,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        wait_for("both hang", lambda: sandbox.stats()["in_flight"] == 2)
    for thread in threads:
        thread.join()
    assert outcomes == [requests.exceptions.ConnectionError] * 2
    assert sorted(str(call["fault"]) for call in sandbox.calls()) == ["delay", "hang"]
    assert sandbox.entries() == []


def test_idle_connection_is_closed_under_the_client() -> None:
    """A pooled connection that was idle too long is closed, as by a security server."""
    with (
        running_sandbox(keep_alive=1) as sandbox,
        socket.create_connection(("127.0.0.1", sandbox.port), timeout=60) as connection,
    ):
        started = time.monotonic()
        connection.sendall(b"GET /_sandbox/health HTTP/1.1\r\nHost: x\r\n\r\n")
        received = b"".join(iter(lambda: connection.recv(10_000), b""))  # until it is closed
        assert received.startswith(b"HTTP/1.1 200")
        assert time.monotonic() - started > 0.9


def test_answers_without_waiting_for_acknowledgements(entry: Entry) -> None:
    """Small answers on a kept-open connection are sent at once, not 40 ms later."""
    with running_sandbox() as sandbox, requests.Session() as session:

        def is_quick() -> bool:
            started = time.monotonic()
            assert session.post(sandbox.url + LOAD, json={"requests": [entry()]}, headers=HEADERS, timeout=60).ok
            return time.monotonic() - started < 0.04

        assert any(is_quick() for _ in range(1000))  # the others may have waited for the machine


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_process_stops_cleanly(tmp_path: Path, entry: Entry, number: int) -> None:
    """``python -m sandbox`` prints its address in one line, and ends with status 0 on a signal."""
    with sandbox_process(tmp_path / "s.db") as sandbox:
        assert sandbox.url == f"http://127.0.0.1:{sandbox.port}"
        body = {"requests": [entry()]}
        assert requests.post(sandbox.url + LOAD, json=body, headers=HEADERS, timeout=60).status_code == 201
        sandbox.process.send_signal(number)
        assert sandbox.process.wait(60) == 0
    assert len(sandbox.entries()) == 1


def test_process_survives_kill(tmp_path: Path, entry: Entry) -> None:
    """Acknowledged entries survive kill -9, and the sandbox restarts on the same port."""
    with sandbox_process(tmp_path / "s.db", port=free_port()) as sandbox:
        for number in range(20):
            body = {"requests": [entry(f"R-{number}")]}
            assert requests.post(sandbox.url + LOAD, json=body, headers=HEADERS, timeout=60).ok
        sandbox.kill()
    assert len(sandbox.counts()) == 20

    with sandbox_process(tmp_path / "s.db", port=sandbox.port) as again:
        assert again.url == sandbox.url
        assert again.stats()["entries_accepted"] == 20
        assert again.stop() == 0


def test_process_options(tmp_path: Path, entry: Entry) -> None:
    """Clients, services, generation and seed can be given on the command line."""
    arguments = ["--client", "DO/GOB/A/B", "--client", "DO/GOB/C/D", "--service", "DO/GOB/P/S/X"]
    arguments += ["--generation", "7.8", "--seed", "5"]
    with sandbox_process(tmp_path / "s.db", arguments=arguments) as sandbox:
        settings = sandbox.settings()
    assert settings["clients"] == ["DO/GOB/A/B", "DO/GOB/C/D"]
    assert settings["services"] == ["DO/GOB/P/S/X"]
    assert (settings["generation"], settings["seed"]) == ("7.8", 5)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--client", "DO/GOB"], "clients"),
        (["--tls-cert", "x.pem"], "go together"),
        (["--tls-client-cert", "x.pem"], "needs --tls-cert"),
    ],
)
def test_wrong_command_line(tmp_path: Path, arguments: list[str], text: str) -> None:
    """A mistake on the command line is explained, without a traceback."""
    command = [sys.executable, "-m", "sandbox", "--database", str(tmp_path / "s.db"), *arguments]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 2
    assert text in done.stderr
    assert "Traceback" not in done.stderr


def test_port_in_use(tmp_path: Path) -> None:
    """A port in use is reported in plain words."""
    with running_sandbox() as sandbox:
        command = [sys.executable, "-m", "sandbox", "--database", str(tmp_path / "s.db")]
        command += ["--port", str(sandbox.port)]
        root = Path(__file__).resolve().parents[2]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{sandbox.port}" in done.stderr


def test_tls(tmp_path: Path, entry: Entry) -> None:
    """With a self-signed certificate, a client that trusts it gets through and one that does not fails."""
    certificate, key = make_certificate(tmp_path, "server")
    body = {"requests": [entry()]}
    with running_sandbox(tmp_path / "s.db", tls=Tls(certificate, key)) as sandbox:
        url = sandbox.url + LOAD
        assert url.startswith("https://")
        with pytest.raises(requests.exceptions.SSLError):
            requests.post(url, json=body, headers=HEADERS, timeout=60)
        response = requests.post(url, json=body, headers=HEADERS, timeout=60, verify=str(certificate))
        assert response.status_code == 201
        sandbox.add_fault(kind="drop_after", times=1)
        with pytest.raises(requests.exceptions.ConnectionError):
            requests.post(url, json=body, headers=HEADERS, timeout=60, verify=str(certificate))
        sandbox.add_fault(kind="hang")
        with pytest.raises(requests.exceptions.ReadTimeout):
            requests.post(url, json=body, headers=HEADERS, timeout=0.3, verify=str(certificate))
    # A client with an open connection did not delay the end, or there would have been an error.
    assert list(sandbox.counts().values()) == [2]


def test_client_certificate(tmp_path: Path, entry: Entry) -> None:
    """A missing client certificate is an X-Road error, since it is required by X-Road and not by the handshake."""
    certificate, key = make_certificate(tmp_path, "server")
    client_certificate, client_key = make_certificate(tmp_path, "client")
    body = {"requests": [entry()]}
    with running_sandbox(tls=Tls(certificate, key, client_certificate)) as sandbox:
        options: dict[str, Any] = {
            "json": body,
            "headers": HEADERS,
            "timeout": 60,
            "verify": str(certificate),
        }
        without = requests.post(sandbox.url + LOAD, **options)
        with_it = requests.post(sandbox.url + LOAD, cert=(str(client_certificate), str(client_key)), **options)
    assert without.status_code == 500
    assert without.headers["X-Road-Error"] == "Server.ClientProxy.SslAuthenticationFailed"
    assert with_it.status_code == 201


def test_tls_process(tmp_path: Path) -> None:
    """The command line serves TLS as well."""
    certificate, key = make_certificate(tmp_path, "server")
    arguments = ["--tls-cert", str(certificate), "--tls-key", str(key)]
    with sandbox_process(tmp_path / "s.db", arguments=arguments) as sandbox:
        context = ssl.create_default_context(cafile=str(certificate))
        with (
            socket.create_connection(("127.0.0.1", sandbox.port), timeout=60) as raw,
            context.wrap_socket(raw, server_hostname="127.0.0.1") as secure,
        ):
            assert secure.version() in ("TLSv1.2", "TLSv1.3")

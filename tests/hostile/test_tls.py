"""TLS between the institution's system and its security server, against real TLS servers."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tablero.dashboard.answer import Answer, Outcome
from tablero.errors import SetupError

from sandbox.server import Tls
from sandbox.testing import running_sandbox
from tests.hostile.certificates import Certificate, authority, self_signed
from tests.hostile.conftest import Client

BODY = b"""{"requests":[{"service_id":"1","request_id":"R-1","opening_date":"2020-02-01T04:00:00Z","status_id":2,
"last_modified_date":"2020-02-02T04:00:00Z"}]}"""

HOST = "127.0.0.1"


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Certificate]:
    """A private authority with certificates signed by it, another authority, and a self-signed server."""
    folder = tmp_path_factory.mktemp("pki")
    private = authority(folder, "private-ca")
    other = authority(folder, "other-ca")
    return {
        "ca": private,
        "other ca": other,
        "server": private.sign(folder, "server", HOST),
        "named": private.sign(folder, "named", "ss1.institution.example"),
        "expired": private.sign(folder, "expired", HOST, ago=timedelta(days=1)),
        "impostor": other.sign(folder, "impostor", HOST),
        "pinned": self_signed(folder, "pinned", HOST),
        "system": self_signed(folder, "information-system"),
        "stranger": self_signed(folder, "stranger"),
    }


@pytest.fixture
def call(client: Client) -> Any:
    """Posts one entry to a sandbox that serves TLS; keywords are the extra of the connection."""

    def post(tls: Tls, **extra: Any) -> Answer:
        with running_sandbox(tls=tls) as sandbox:
            connection = {"schema": "https", "extra": {name: _plain(value) for name, value in extra.items()}}
            answer = client(sandbox.port, **connection).post(BODY, message_id="m", issue="1")
            assert (answer.outcome is Outcome.DELIVERED) == (len(sandbox.entries()) == 1)
            return answer

    return post


def test_private_authority(call: Any, pki: dict[str, Certificate]) -> None:
    """``verify`` names the authority that signed the security server's certificate."""
    assert call(pki["server"].serve(), verify=pki["ca"].path).outcome is Outcome.DELIVERED


def test_pinned_certificate(call: Any, pki: dict[str, Certificate]) -> None:
    """``verify`` names the self-signed certificate itself, as exported from the security server."""
    assert call(pki["pinned"].serve(), verify=pki["pinned"].path).outcome is Outcome.DELIVERED


def test_another_certificate_than_the_pinned_one(call: Any, pki: dict[str, Certificate]) -> None:
    """A server with any other certificate is refused."""
    _untrusted(call(pki["server"].serve(), verify=pki["pinned"].path))


def test_certificate_name_other_than_the_host(call: Any, pki: dict[str, Certificate]) -> None:
    """``assert_hostname`` names the expected host if the certificate does not match the address."""
    tls = pki["named"].serve()
    _untrusted(call(tls, verify=pki["ca"].path))
    _untrusted(call(tls, verify=pki["ca"].path, assert_hostname="ss2.institution.example"))
    answer = call(tls, verify=pki["ca"].path, assert_hostname="ss1.institution.example")
    assert answer.outcome is Outcome.DELIVERED


def test_a_name_is_not_enough(call: Any, pki: dict[str, Certificate]) -> None:
    """``assert_hostname`` does not make an untrusted certificate acceptable."""
    _untrusted(call(pki["impostor"].serve(), verify=pki["ca"].path, assert_hostname=HOST))


@pytest.mark.parametrize("server", ["server", "pinned", "expired", "impostor"])
def test_untrusted_certificates_are_permanent_errors_that_say_what_to_do(
    call: Any, pki: dict[str, Certificate], server: str
) -> None:
    """Unknown authority, self-signed, expired, signed by another: nothing is sent, and the error names the setting."""
    verify = {"verify": pki["ca"].path} if server in ("expired", "impostor") else {}
    _untrusted(call(pki[server].serve(), **verify))


def test_client_certificate(call: Any, pki: dict[str, Certificate]) -> None:
    """``cert`` and ``key`` are what X-Road's connection type "HTTPS" requires of a client."""
    tls = pki["server"].serve(clients=pki["system"].path)
    verify = pki["ca"].path
    answer = call(tls, verify=verify, cert=pki["system"].path, key=pki["system"].key)
    assert answer.outcome is Outcome.DELIVERED
    missing = call(tls, verify=verify)
    assert missing.outcome is Outcome.PERMANENT
    assert "cert y key" in missing.error
    assert call(tls, verify=verify, cert=pki["stranger"].path, key=pki["stranger"].key).outcome is not Outcome.DELIVERED


def test_verification_is_off_only_in_so_many_words(call: Any, client: Client, pki: dict[str, Certificate]) -> None:
    """``"verify": false`` works, with a warning of the client."""
    assert call(pki["impostor"].serve(), verify=False).outcome is Outcome.DELIVERED
    (warning,) = client(443, schema="https", extra={"verify": False}).warnings
    assert "TLS verification is OFF" in str(warning)
    assert client(443, schema="https").warnings == []


@pytest.mark.parametrize("value", [0, 1, "", [], {}, 0.0])
@pytest.mark.parametrize("name", ["verify", "verify_ssl"])
def test_anything_else_in_verify_is_refused(client: Client, name: str, value: Any) -> None:
    """The library takes whatever Python calls false for ``false``; here only true, false and a path are understood."""
    with pytest.raises(SetupError, match="must be true, false or the path"):
        client(443, schema="https", extra={name: value})


def test_a_host_that_contradicts_the_schema_is_refused(client: Client) -> None:
    """What says https anywhere is never called by http."""
    with pytest.raises(SetupError, match="keep one of the two"):
        client(80, host=f"http://{HOST}", schema="https")
    with pytest.raises(SetupError, match="keep one of the two"):
        client(80, host=f"http://{HOST}", extra={"schema": "https"})
    assert client(443, host=HOST, extra={"schema": "https"}).url.startswith(f"https://{HOST}:443/")


def test_an_ipv6_address(client: Client) -> None:
    """An IPv6 address has brackets in the address that is called, however the connection writes it."""
    assert client(80, host="::1").url.startswith("http://[::1]:80/")
    assert client(80, host="[::1]").url.startswith("http://[::1]:80/")
    assert client(80, host=" ss.example ").url.startswith("http://ss.example:80/")


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_the_environment_does_not_overrule_the_connection(
    call: Any, pki: dict[str, Certificate], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Variables set for other programs neither admit an impostor nor block the right server."""
    monkeypatch.setenv(name, str(pki["other ca"].path))
    _untrusted(call(pki["impostor"].serve(), verify=pki["ca"].path))
    assert call(pki["server"].serve(), verify=pki["ca"].path).outcome is Outcome.DELIVERED


def test_a_proxy_in_the_environment_is_not_asked_for_the_host_itself(
    call: Any, pki: dict[str, Certificate], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``no_proxy`` applies to the security server as to any other host."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", HOST)
    assert call(pki["server"].serve(), verify=pki["ca"].path).outcome is Outcome.DELIVERED


def test_files_that_are_not_there(call: Any, pki: dict[str, Certificate]) -> None:
    """A wrong path is a permanent error that contains the path."""
    for extra in (
        {"verify": "/nowhere/ca.pem"},
        {"verify": pki["ca"].path, "cert": "/nowhere/me.pem", "key": "/nowhere/me.key"},
    ):
        answer = call(pki["server"].serve(), **extra)
        assert answer.outcome is Outcome.PERMANENT
        assert "/nowhere/" in answer.error


def test_plain_http_on_the_port(client: Client, pki: dict[str, Certificate]) -> None:
    """A server that speaks no TLS is never assumed to have received anything."""
    with running_sandbox() as sandbox:
        answer = client(sandbox.port, schema="https", extra={"verify": str(pki["ca"].path)}).post(
            BODY, message_id="m", issue="1"
        )
        assert answer.outcome in (Outcome.TRANSIENT, Outcome.PERMANENT, Outcome.UNKNOWN)
        assert sandbox.entries() == []


def _untrusted(answer: Answer) -> None:
    assert answer.outcome is Outcome.PERMANENT
    assert "verify" in answer.error
    assert "tablero_api" in answer.error


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value

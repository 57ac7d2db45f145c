"""Certificates generated for the tests: an authority, servers and clients signed by it, and self-signed ones."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sandbox.server import Tls

_YEAR = timedelta(days=365)


@dataclass(frozen=True)
class Certificate:
    """A certificate and its key, as files (PEM)."""

    path: Path
    key: Path
    _certificate: x509.Certificate
    _private: ec.EllipticCurvePrivateKey

    def serve(self, *, clients: Path | None = None) -> Tls:
        """The settings with which a sandbox serves HTTPS with it.

        :param clients: certificates of which X-Road callers must present one.
        """
        return Tls(self.path, self.key, clients)

    def sign(self, folder: Path, name: str, *hosts: str, ago: timedelta = timedelta()) -> Certificate:
        """A certificate signed by this one.

        :param hosts: names and addresses it is for.
        :param ago: how long since it expired.
        """
        return _make(folder, name, hosts, issuer=self, ago=ago)


def authority(folder: Path, name: str) -> Certificate:
    """An authority that is trusted only if configured."""
    return _make(folder, name, (), issuer=None)


def self_signed(folder: Path, name: str, *hosts: str) -> Certificate:
    """A self-signed certificate, as a security server has after its installation."""
    return _make(folder, name, hosts, issuer=None)


def _make(
    folder: Path, name: str, hosts: tuple[str, ...], *, issuer: Certificate | None, ago: timedelta = timedelta()
) -> Certificate:
    private = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer._certificate.subject if issuer else subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _YEAR)
        .not_valid_after(now - ago if ago else now + _YEAR)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName([_alternative(host) for host in hosts]), critical=False)
    certificate = builder.sign(issuer._private if issuer else private, hashes.SHA256())
    path, key = folder / f"{name}.pem", folder / f"{name}.key"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return Certificate(path, key, certificate, private)


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)

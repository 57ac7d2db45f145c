"""A CA for these tests, a certificate for a database server, and one for a client."""

from __future__ import annotations

import subprocess
from pathlib import Path


def make(folder: Path, host: str = "127.0.0.1", user: str = "tablero") -> None:
    """``ca.pem``, ``server.pem`` and ``client.pem`` with their keys, and ``other.pem``, a CA that signed neither."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("ca", "other"):
        _openssl(folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}", name)
    for name, subject, names in (("server", host, f"IP:{host}"), ("client", user, f"DNS:{user}")):
        _openssl(folder, "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={subject}", name, request=True)
        (folder / "names").write_text(f"subjectAltName={names}\n")
        subprocess.run(
            [
                *(
                    "openssl",
                    "x509",
                    "-req",
                    "-in",
                    folder / f"{name}.csr",
                    "-CA",
                    folder / "ca.pem",
                    "-CAkey",
                    folder / "ca.key",
                ),
                *("-CAcreateserial", "-days", "2", "-extfile", folder / "names", "-out", folder / f"{name}.pem"),
            ],
            check=True,
            capture_output=True,
        )
    for key in folder.glob("*.key"):
        key.chmod(0o600)


def _openssl(folder: Path, *words: str, request: bool = False) -> None:
    *command, name = words
    out = folder / (f"{name}.csr" if request else f"{name}.pem")
    files = ["-keyout", folder / f"{name}.key", "-out", out]
    subprocess.run(["openssl", *command, *files], check=True, capture_output=True)

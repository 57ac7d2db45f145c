"""Make ``.env`` with fresh secrets for docker-compose.yaml: ``python3 docker/make_env.py``. Never overwrites one."""

import base64
import os
import secrets
import sys
from pathlib import Path

ENV = Path(__file__).resolve().parent.parent / ".env"

TEXT = """\
# Secretos de este despliegue; no los publique. / Secrets of this deployment; do not publish them.
AIRFLOW_UID={uid}
POSTGRES_PASSWORD={postgres}
AIRFLOW_DB_PASSWORD={airflow}
OUTBOX_DB_PASSWORD={outbox}
REDIS_PASSWORD={redis}
FERNET_KEY={fernet}
JWT_SECRET={jwt}
API_SECRET_KEY={api}
ADMIN_PASSWORD={admin}

# Su subsistema X-Road y sus dos conexiones. / Your X-Road subsystem and your two connections.
TABLERO_XROAD_CLIENT=DO/GOB/INST/SOLICITUDES
TABLERO_SOURCE=
TABLERO_API=
"""


def main() -> int:
    """Write the file, readable by its owner only."""
    words = {name: secrets.token_hex(24) for name in ("postgres", "airflow", "outbox", "redis", "jwt", "api")}
    fernet = base64.urlsafe_b64encode(os.urandom(32)).decode()
    try:
        with os.fdopen(os.open(ENV, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(TEXT.format(uid=os.getuid() or 50000, fernet=fernet, admin=secrets.token_urlsafe(12), **words))
    except FileExistsError:
        sys.stderr.write(f"{ENV} ya existe; no se cambia / exists already; it is left as it is\n")
        return 1
    sys.stdout.write(f"{ENV}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Make the two files that docker-compose.yaml asks for: ``python3 docker/make_env.py [--demo]``. Never overwrites one.

``.env`` holds fresh secrets of this deployment; ``tablero.env`` the institution's connections and settings, to be filled in,
or with ``--demo`` those of the demo. The secrets are hexadecimal, since some stand in addresses and on command lines, where a
sign means something; but for ``FERNET_KEY``, whose form is Airflow's, and which travels in the environment only.
"""

import argparse
import base64
import os
import secrets
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent

SECRETS = """\
# Secretos de este despliegue; no los publique, y guarde una copia: sin FERNET_KEY no se leen las conexiones guardadas.
# Si cambia una contraseña, use solo letras y cifras: algunas van dentro de direcciones.
# Secrets of this deployment; do not publish them, and keep a copy: without FERNET_KEY stored connections cannot be read.
# If you change a password, use letters and digits only: some stand within addresses.
POSTGRES_PASSWORD={postgres}
AIRFLOW_DB_PASSWORD={airflow}
OUTBOX_DB_PASSWORD={outbox}
REDIS_PASSWORD={redis}
FERNET_KEY={fernet}
JWT_SECRET={jwt}
API_SECRET_KEY={api}
# Usuario admin de Airflow. / Airflow's user admin.
ADMIN_PASSWORD={admin}
"""


def main() -> int:
    """Write the files, readable by their owner only; exit status 1 if one of them was there already."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--demo", action="store_true", help="connections of docker compose --profile demo")
    demo = parser.parse_args().demo
    words = {name: secrets.token_hex(24) for name in ("postgres", "airflow", "outbox", "redis", "jwt", "api")}
    fernet = base64.urlsafe_b64encode(os.urandom(32)).decode()
    made = [
        _write(".env", SECRETS.format(fernet=fernet, admin=secrets.token_hex(12), **words)),
        _write("tablero.env", (HERE / ("demo.env" if demo else "tablero.env")).read_text(encoding="utf-8")),
    ]
    return 0 if all(made) else 1


def _write(name: str, text: str) -> bool:
    path = HERE.parent / name
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        sys.stderr.write(f"{path} ya existe; no se cambia / exists already; it is left as it is\n")
        return False
    sys.stdout.write(f"{path}\n")
    return True


if __name__ == "__main__":
    sys.exit(main())

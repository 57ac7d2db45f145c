"""``python -m sandbox``: the stand-in as a process of its own."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sandbox.server import KEEP_ALIVE_SECONDS, Server, Tls
from sandbox.settings import Settings


class _AnnouncingServer(Server):
    def on_ready(self) -> None:
        """Print the address in one line, which the process that started this one waits for."""
        print(f"sandbox listening on {self.url}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 = any free one (default)")
    parser.add_argument("--database", type=Path, required=True, help="SQLite file; continued if it exists")
    parser.add_argument("--client", action="append", metavar="ID", help="a registered client; may be repeated")
    parser.add_argument("--service", action="append", metavar="ID", help="a provider service; may be repeated")
    parser.add_argument("--generation", choices=["7.2", "7.8"], help="spelling of X-Road error types (default 7.2)")
    parser.add_argument("--seed", type=int, help="seed of the faults' dice (default 0)")
    parser.add_argument("--tls-cert", type=Path, help="serve HTTPS with this certificate (PEM)")
    parser.add_argument("--tls-key", type=Path, help="and this key (PEM)")
    parser.add_argument("--tls-client-cert", type=Path, help="ask X-Road clients for one of these certificates (PEM)")
    parser.add_argument(
        "--keep-alive",
        type=int,
        default=KEEP_ALIVE_SECONDS,
        metavar="SECONDS",
        help="close a connection idle this long (default %(default)s)",
    )
    options = parser.parse_args(arguments)
    if (options.tls_cert is None) != (options.tls_key is None):
        parser.error("--tls-cert and --tls-key go together")
    if options.tls_client_cert is not None and options.tls_cert is None:
        parser.error("--tls-client-cert needs --tls-cert and --tls-key")
    given: dict[str, Any] = {
        "clients": options.client,
        "services": options.service,
        "generation": options.generation,
        "seed": options.seed,
    }
    try:
        settings = Settings.model_validate({name: value for name, value in given.items() if value is not None})
    except ValidationError as exc:
        parser.error("; ".join(f"{each['loc'][0]}: {each['msg']}" for each in exc.errors()))
    tls = Tls(options.tls_cert, options.tls_key, options.tls_client_cert) if options.tls_cert else None
    try:
        server = _AnnouncingServer(
            options.database,
            settings=settings,
            host=options.host,
            port=options.port,
            tls=tls,
            keep_alive=options.keep_alive,
        )
    except OSError as exc:
        print(f"sandbox cannot listen on {options.host}:{options.port}: {exc}", file=sys.stderr)
        return 1
    server.stop_on_signals()
    server.serve_until_stopped()
    return 0


if __name__ == "__main__":
    sys.exit(main())

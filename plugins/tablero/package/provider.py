"""What the wheel declares to Airflow as a provider: its name and its settings.

So `airflow providers` names it, and ``airflow config list --section tablero`` and the page *Admin > Config* know every key.
Airflow asks for this in each of its processes while it starts: nothing is imported before it asks, and of Airflow never
anything, since it may be half imported itself by then.
"""

from __future__ import annotations

from datetime import time
from typing import Any


def get_provider_info() -> dict[str, Any]:
    """The package, in the form of ``airflow/provider_info.schema.json``."""
    from tablero import __version__

    return {
        "package-name": "tablero",
        "name": "Tablero",
        "description": "Every status change of an institution's requests, delivered to the Tablero de Monitoreo.",
        "versions": [__version__],
        "config": {
            "tablero": {
                "description": "Tablero. Durations are seconds; days and times of day are in ``timezone``.",
                "options": _options(),
            }
        },
    }


def _options() -> dict[str, dict[str, Any]]:
    """Each field of the settings, as an option of Airflow's configuration."""
    from tablero.settings import Settings

    return {
        key: {
            "description": str(field.description),
            "version_added": None,
            "type": _TYPES.get(type(field.default), "string"),
            "example": None,
            "default": written(field.default),
        }
        for key, field in Settings.model_fields.items()
    }


_TYPES = {bool: "boolean", int: "integer", float: "float"}


def written(value: object) -> str | None:
    """A value of a setting, as one would write it into the configuration; nothing for none."""
    if value is None or value == ():
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, time):
        return f"{value:%H:%M}"
    return str(getattr(value, "name", value))

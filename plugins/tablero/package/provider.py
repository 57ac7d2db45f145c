"""The provider metadata that the wheel declares to Airflow: its name and its settings.

It makes ``airflow providers`` list the package, and ``airflow config list --section tablero`` and *Admin > Config* know every
setting. Every Airflow process loads it during its own start: imports are deferred, and nothing of Airflow is imported, since
Airflow may itself be half imported by then.
"""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Provider metadata, as specified by Airflow's ``provider_info.schema.json``."""
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
    """Each setting as an option of Airflow's configuration."""
    from tablero.settings import Settings, written

    return {
        key: {
            "description": str(field.description),
            "version_added": None,
            "type": _TYPES.get(field.annotation, "string"),
            "example": None,
            "default": written(field.default) or None,
        }
        for key, field in Settings.model_fields.items()
    }


#: Airflow's names of types. The type of a default says less: 60 may stand for 60.5.
_TYPES: dict[Any, str] = {bool: "boolean", int: "integer", float: "float"}

"""The dashboard's statuses."""

from __future__ import annotations

from tablero.contract.statuses import STATUSES, known_statuses, status_name

GUIDE = """
    1 Generado | en proceso                      12 Atraso por el cliente | en proceso
    2 En revisión | en proceso                   13 Disponible Para Entrega | en proceso
    3 Aprobado | en proceso                      14 Entregado | completado
    4 En aprobación | en proceso                 15 En espera de acción requerida | en proceso
    5 En espera de pago | en proceso             16 Pagado/No Actualizado | en proceso
    6 Devuelto | en proceso                      17 Queja/Reclamación Abierta | en proceso
    7 Completado | completado                    18 Queja/Reclamación en proceso | en proceso
    8 Rechazado | cancelado                      19 Queja/Reclamación Cerrada | completado
    9 Recibido | en proceso                      20 Queja/Reclamación Descartada | cancelado
    10 Cancelado | cancelado                     21 En proceso | en proceso
    11 Temporal | en proceso
"""


def test_the_21_statuses() -> None:
    """The statuses are those of the guide's table: id, name, category."""
    cells = [cell for line in GUIDE.strip().splitlines() for cell in line.strip().split("    ") if cell.strip()]
    table = {}
    for cell in cells:
        number, _, rest = cell.strip().partition(" ")
        table[int(number)] = tuple(part.strip() for part in rest.split("|"))
    assert len(table) == 21
    assert {number: (status.name, status.category) for number, status in STATUSES.items()} == table


def test_a_status_that_the_dashboard_has_added() -> None:
    """A status listed in ``extra_statuses`` is accepted, and shown by its number."""
    assert 22 not in known_statuses()
    assert known_statuses((22, 23)) == set(STATUSES) | {22, 23}
    assert status_name(2) == "En revisión"
    assert status_name(22) == "22"

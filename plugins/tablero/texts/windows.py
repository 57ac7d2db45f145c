"""What ``contract.windows`` says of months that were asked for."""

from __future__ import annotations

from tablero.texts.text import Text

NOT_A_MONTH = Text(
    "{parameter} es {value}; dé un mes como AAAA-MM, por ejemplo 2020-01.",
    "{parameter} is {value}; give a month as YYYY-MM, for example 2020-01.",
)
NO_MONTH = Text(
    "Ningún mes que cargar: de {first} a {last}, y el reloj marca {now}. Revise start_month y end_month.",
    "No month to load: from {first} to {last}, and it is now {now}. Check start_month and end_month.",
)

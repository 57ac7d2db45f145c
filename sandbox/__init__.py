"""A stand-in for the dashboard ("Tablero de Monitoreo") behind a stand-in X-Road security server.

Nobody can test against the state's real servers, so this package plays both: strict about the published
contract, and able to fail on demand in every way the real ones can. It serves the tests, the demo and
the benchmarks; nothing in production uses it.

======================  ===============================================================================
``settings``            what the two stand-ins are set to (one frozen model)
``xroad``               the security server's face: addresses, identities, error bodies, metadata
``dashboard``           the dashboard's face: judges the body of one call
``faults``              failures on demand, and the book that decides which call gets which
``answers``             answers that are not answers: dropped, hanging, cut off, arbitrary bytes
``memory``              what was received and accepted, in SQLite
``state``               the above, as one object that is shared
``app``, ``control``    the web application, and its routes under ``/_sandbox/`` to steer it
``server``              runs the application under uvicorn (``python -m sandbox``)
``testing``             runs it for a test, in a thread or in a process of its own
``institution``         makes the sample institution's database for the demo
======================  ===============================================================================
"""

from __future__ import annotations

"""A stand-in for the dashboard ("Tablero de Monitoreo") behind a stand-in X-Road security server.

Nobody can test against the state's real servers, so this package simulates both: strict about the published
contract, and able to fail on demand in every way that the real ones can. It serves the tests, the demo and
the benchmarks; nothing in production uses it.

======================  ===============================================================================
``settings``            the settings of both stand-ins (one frozen model)
``xroad``               the security server: addresses, identities, error bodies, metadata
``dashboard``           the dashboard: judges the body of one call
``faults``              faults on demand, and the book that decides which call gets which
``answers``             answers that are not answers: dropped, hanging, cut off, arbitrary bytes
``memory``              what was received and accepted, in SQLite
``state``               all of the above as one shared object
``app``, ``control``    the web application, and its routes under ``/_sandbox/`` to steer it
``server``              runs the application under uvicorn (``python -m sandbox``)
``testing``             runs it for a test, in a thread or in a separate process
``institution``         creates the sample institution's database for the demo
======================  ===============================================================================
"""

from __future__ import annotations

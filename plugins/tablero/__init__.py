"""Tablero: every status change of an institution's requests, delivered to the central dashboard, and proof of it.

The house, from the top floor down. A folder imports only from folders below it::

    package/      the package as Airflow finds it: the Airflow that it needs, its settings, the names of earlier versions
    command_line/ what a shell can ask: check, status, settings, rows, rejections, adopt
    airflow/      all that Airflow calls or is asked: tasks, callbacks, retries, timetable, deadline, metrics
    web/          the page inside Airflow; routes/ has one file for each page
    delivery/     the use cases: plan, stage, send, load, reconcile, adopt, preflight
    outbox/       the durable store of batches, attempts and proofs; reports/ has the page's questions
    dashboard/    the other side: the client, what an answer means, X-Road
    source/       the institution's database: the reader, its dialects
    contract/     what a status change is: rules, wire form, windows, order
    settings.py   section [tablero], checked
    errors.py     everything that can go wrong, in one tree
    texts/        every sentence that an operator reads, in Spanish and English

The way a row takes: ``source.reader`` reads it, ``contract.rules`` accepts, rejects or excludes it,
``contract.packing`` puts it into a batch, ``outbox.intake`` makes the batch durable, ``delivery.sending`` claims and posts it
through ``dashboard.client``, ``dashboard.answer`` is what came back, ``outbox.queue`` records it, and ``delivery.reconciling``
proves that no row is missing.
"""

__version__ = "0.2.0"

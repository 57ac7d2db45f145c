"""Tablero: every status change of an institution's requests, delivered to the central dashboard, and proof of it.

The house, from the top floor down. A folder imports only from folders below it::

    package/        what Airflow learns of the package: the version it needs, its settings, names of earlier versions
    command_line/   python -m tablero: check, status, settings, rows, rejections, adopt, dags
    airflow/        what Airflow calls: tasks, callbacks, retries, timetable, deadline, metrics
    web/            the page inside Airflow; routes/ has one file for each page
    delivery/       the use cases: plan, stage, send, load, reconcile, adopt, move, preflight; posting/: pump, rules and search;
                    health/: settled, but not as usual
    outbox/         the durable store of batches, attempts and proofs; queue/: claims, leases, answers; migrations/;
                    reports/: what page and commands ask
    dashboard/      the other side: the HTTP client, what an answer means, X-Road
    source/         the institution's database: the reader, the view, error codes; dialects/ has one file for each database
    contract/       what a status change is: fields, statuses, rules, wire form, windows, order
    settings.py     section [tablero], checked
    errors.py       everything that can go wrong, in one tree
    texts/          every sentence that an operator reads, in Spanish and English; one module for each folder

The way of a row: ``source.reader`` reads it, ``contract.rules`` accepts, rejects or excludes it, ``contract.merging`` finds out
that it is new, ``contract.packing`` puts it into a batch, ``outbox.intake`` makes the batch durable, ``delivery.sending``
claims and posts it through ``dashboard.client``, ``dashboard.judging`` says what the answer means, ``outbox.queue.recording``
records it, and ``delivery.reconciling`` proves that no row is missing.
"""

__version__ = "0.2.0"

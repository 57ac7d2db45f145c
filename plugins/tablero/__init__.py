"""Tablero: every status change of an institution's requests, delivered to the central dashboard, and proof of it.

Folders from the top down; each imports only from those below it::

    package/        the package as Airflow sees it: required version, provider metadata, what is imported when Airflow starts,
                    class names of earlier versions
    command_line/   python -m tablero: check, status, settings, rows, rejections, adopt, move, dags, version
    airflow/        what Airflow calls: tasks, callbacks, retries, timetable, deadline, metrics, lineage; runs/: what tasks
                    share; connections/: finding one; alerts/: what alerts say, and their channels
    web/            the page inside Airflow; routes/ has one module per page, coverage/ judges months and days
    delivery/       the use cases: plan, stage, send, load, reconcile, adopt, preflight, dry run; posting/: the loop that
                    posts, its rules and the search; health/: what is unusual about a night (rejections, volume), the digest
    outbox/         the durable store of batches, attempts and proofs; queue/: claims, leases, attempts; alerts/: incidents, and
                    messages to be sent; migrations/; reports/: the queries of page and command line
    dashboard/      the dashboard's side: the HTTP client, what an answer means, X-Road
    source/         the institution's database: the reader, the view, error codes; dialects/ has one module per database
    contract/       the contract: fields, statuses, rules, wire form, windows, order of status changes
    callbacks.py    the name under which version 0.1 is still asked for
    settings.py     section [tablero], validated
    errors.py       all errors, in one tree
    texts/          every sentence that an operator reads, in Spanish and English; one module per folder

The way of a row: ``source.reader`` reads it; ``contract.rules`` accepts, rejects or excludes it; ``contract.merging`` finds
that it is new; ``contract.packing`` puts it into a batch, which ``outbox.intake`` commits. ``delivery.posting.pump`` posts the
batch through ``dashboard.client``; ``dashboard.judging`` decides what the answer means; ``outbox.queue.recording`` stores it.
What is refused goes through ``delivery.posting.search``. ``delivery.reconciling`` proves in the end that no row is missing.
"""

__version__ = "0.2.0"

"""Every code block in the documents is run unchanged by a test, and this table says by which one."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from tests.guides.blocks import DOCUMENTS, ROOT, Block, blocks, spanish

TYPED = "tests/guides/test_typed.py"
NAMES = "tests/guides/test_names.py"
INSTALL = "tests/package/test_install.py"
COMPOSE = "tests/compose/test_demo.py"
DBA = "tests/sources/test_dba_page.py"

#: The blocks of docs/compose.md, which the tests of that page run.
SAME_AS_COMPOSE = "tests/unit/test_readme.py::test_the_commands_for_docker_compose_are_those_of_their_page"

#: For each heading, the test that runs its blocks, or one test for each block in order.
RUN_BY: dict[tuple[str, str], str | list[str]] = {
    ("README.md", "Try it"): [".ci/run::make demo", ".ci/run::make test"],
    ("README.md", "Install"): [f"{INSTALL}::installed", SAME_AS_COMPOSE],
    ("README.md", "Connect your database"): [
        "tests/demo/test_readme_view.py::test_the_view_is_one_that_the_package_reads",
        f"{NAMES}::test_what_a_block_sets",
    ],
    ("README.md", "Connect your security server"): [
        f"{NAMES}::test_what_a_block_sets",
        f"{NAMES}::test_what_a_block_sets",
        f"{TYPED}::test_checking",
        SAME_AS_COMPOSE,
        f"{NAMES}::test_what_a_block_sets",
    ],
    ("README.md", "Connect the outbox"): f"{NAMES}::test_what_a_block_sets",
    ("README.md", "The first evening"): f"{INSTALL}::test_the_first_evening",
    ("docs/alerts.md", "Webhook"): [f"{NAMES}::test_the_webhook", f"{NAMES}::test_what_a_block_sets"],
    ("docs/commands.md", "Command line and monitors"): f"{TYPED}::test_asking",
    ("docs/commands.md", "Is all well?"): f"{TYPED}::test_monitors",
    ("docs/compose.md", "Commands"): [
        f"{COMPOSE}::test_the_command_that_starts",
        f"{COMPOSE}::paused",
        f"{COMPOSE}::test_the_commands_that_pause",
        f"{COMPOSE}::test_the_command_that_checks",
        *[f"{COMPOSE}::test_a_lost_outbox_comes_back_from_its_backup"] * 3,
        f"{COMPOSE}::test_the_command_that_adopts",
        f"{COMPOSE}::test_a_lost_outbox_comes_back_from_its_backup",
    ],
    ("docs/dba.md", "With a history table"): f"{DBA}::test_the_history_table",
    ("docs/dba.md", "With only the current status"): [
        f"{DBA}::test_the_current_status",
        *[f"{DBA}::test_the_trigger_that_keeps_a_history"] * 3,
    ],
    ("docs/dba.md", "When codes have to be mapped"): [f"{DBA}::furnish", f"{DBA}::test_codes_that_are_not_mapped"],
    ("docs/dba.md", "An index that makes a month quick"): [
        f"{DBA}::test_the_index",
        f"{DBA}::test_the_index_on_text",
        f"{DBA}::test_a_date_made_of_text",
    ],
    ("docs/dba.md", "The right to read"): [
        *[f"{DBA}::test_the_right_to_read"] * 2,
        *[f"{DBA}::test_what_is_not_run_says_so"] * 2,
    ],
    ("docs/dba.md", "Time zones"): [f"{DBA}::test_text_by_day_first", f"{DBA}::test_what_is_not_run_says_so"],
    ("docs/dba.md", "Your own query"): [f"{DBA}::test_the_own_query", f"{DBA}::test_a_date_made_of_text"],
    ("docs/dba.md", "Drivers and connections"): f"{INSTALL}::test_the_driver_for_mariadb",
    ("docs/dba.md", "Parameters, TLS, time limits"): [f"{NAMES}::test_what_a_block_sets", f"{TYPED}::test_checking"],
    ("docs/install.md", "Without the registry"): f"{INSTALL}::test_a_closed_network",
    ("docs/install.md", "Behind a proxy"): f"{NAMES}::test_what_a_block_sets",
    ("docs/install.md", "By copying files"): "tests/airflow_units/test_installing.py::install",
    ("docs/install.md", "To remove it"): f"{INSTALL}::test_it_is_removed",
    ("docs/metrics.md", "Metrics"): f"{INSTALL}::test_metrics_and_lineage",
    ("docs/metrics.md", "Assets, logs, lineage"): [
        f"{NAMES}::test_the_dag_that_waits_for_a_reconciliation",
        *["tests/unit/test_guides.py::test_the_line_of_an_attempt_is_as_it_is_written"] * 2,
        f"{INSTALL}::test_metrics_and_lineage",
    ],
    ("docs/operations.md", "Upgrade"): f"{INSTALL}::test_the_steps_of_an_upgrade",
    ("docs/operations.md", "Backup and restore of the outbox"): [
        *[f"{TYPED}::test_a_backup_of_sqlite"] * 2,
        f"{TYPED}::test_moving_to_postgresql_and_a_backup_there",
        f"{TYPED}::test_a_backup_of_sqlite",
        f"{TYPED}::test_moving_to_postgresql_and_a_backup_there",
    ],
    ("docs/operations.md", "If the outbox is lost"): f"{TYPED}::test_a_lost_outbox",
    ("docs/operations.md", "From development to production"): f"{NAMES}::test_what_a_block_sets",
    ("docs/operations.md", "Scaling out"): f"{TYPED}::test_moving_to_postgresql_and_a_backup_there",
    ("docs/operations.md", "Maintenance and growth"): f"{INSTALL}::test_the_steps_of_an_upgrade",
    ("docs/outbox.md", "Questions"): "tests/integration/outbox/test_outbox_guide.py::test_a_question",
    ("docs/page.md", "Who may see it, and who may act"): "tests/package/test_roles.py::test_who_sees_the_entry_in_the_menu",
    ("docs/runs.md", "What counts as delivered"): f"{TYPED}::test_one_batch",
}

EVERY = [block for document in DOCUMENTS for block in blocks(document)]


def name_of(block: Block) -> str:
    return f"{block.document} {block.heading} {block.number}"


def test_every_block_is_in_the_table() -> None:
    """The table lists every heading with code blocks, and the right number of blocks."""
    found: dict[tuple[str, str], int] = {}
    for block in EVERY:
        found[block.document, block.heading] = block.number + 1
    assert found.keys() == RUN_BY.keys()
    listed = {key: len(tests) for key, tests in RUN_BY.items() if isinstance(tests, list)}
    assert listed == {key: found[key] for key in listed}


@pytest.mark.parametrize("block", EVERY, ids=name_of)
def test_the_test_that_it_names_exists_and_reads_the_document(block: Block) -> None:
    """Each named test exists, in a file that names the document or the documents' folder."""
    tests = RUN_BY[block.document, block.heading]
    file, _, name = (tests if isinstance(tests, str) else tests[block.number]).partition("::")
    source = (ROOT / file).read_text(encoding="utf-8")
    if file == ".ci/run":
        assert re.search(rf"^\S.*{name}", source, re.MULTILINE)
        return
    assert name in functions(file)
    if file == COMPOSE:
        source += (ROOT / "tests/compose/guide.py").read_text(encoding="utf-8")
    last = block.document.rpartition("/")[2]
    assert last in source or "DOCUMENTS" in source


@cache
def functions(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_both_languages_have_the_same_blocks(document: str) -> None:
    """The blocks are identical in both languages, except for SQL comments, and the headings correspond."""

    def bare(name: str) -> list[tuple[str, str]]:
        return [(one.language, re.sub(r"\s*--.*", "", one.text)) for one in blocks(name)]

    assert bare(document) == bare(spanish(document))

"""One thread ends everything that takes too long."""

from __future__ import annotations

import threading

from pytest_mock import MockerFixture
from tablero.dashboard import watchdog as module
from tablero.dashboard.watchdog import Watchdog

LONG = 60.0


def watchdog_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "tablero-watchdog"}


def test_a_block_that_takes_too_long_is_ended() -> None:
    """A block that takes too long is ended from another thread while it runs."""
    ended = threading.Event()
    with Watchdog().within(0.01, ended.set):
        assert ended.wait(LONG)


def test_a_block_with_nothing_to_end_yet_is_ended_later() -> None:
    """A block that goes on is ended again, since at first there may be no connection to close."""
    ended = threading.Semaphore(0)
    with Watchdog().within(0.01, ended.release):
        assert all(ended.acquire(timeout=LONG) for _ in range(3))


def test_a_block_in_time_is_left_alone(mocker: MockerFixture) -> None:
    """A block that finishes in time is not ended, even if the watchdog checks later."""
    watchdog, ended, later = Watchdog(), threading.Event(), threading.Event()
    clock = mocker.patch.object(module, "time")  # the machine may take any time between two lines
    clock.monotonic.return_value = 0.0
    with watchdog.within(5.0, ended.set):
        pass
    with watchdog.within(0.01, later.set):
        clock.monotonic.return_value = 10.0
        assert later.wait(LONG)
    assert not ended.is_set()


def test_a_block_that_is_due_before_others_wakes_the_watchdog() -> None:
    """A block that is due first does not wait for the deadlines of earlier ones."""
    watchdog, ended = Watchdog(), threading.Event()
    with watchdog.within(LONG * 60, lambda: None), watchdog.within(0.01, ended.set):
        assert ended.wait(LONG)


def test_many_blocks_share_one_thread_which_ends_with_them() -> None:
    """One thread watches a hundred calls at a time, and ends once there is nothing to watch."""
    before = watchdog_threads()  # those of other tests, which may end at any time
    watchdog, ended = Watchdog(), threading.Event()
    blocks = [watchdog.within(0.1, lambda: None) for _ in range(100)]
    for block in blocks:
        block.__enter__()
    with watchdog.within(0.2, ended.set):
        (started,) = watchdog_threads() - before
        assert ended.wait(LONG)
    for block in blocks:
        block.__exit__(None, None, None)
    started.join(LONG)
    assert not started.is_alive()


def test_what_cannot_be_ended_does_not_end_the_watchdog() -> None:
    """If one call cannot be ended, other calls, begun before and after, still have their limit."""
    watchdog, ended, later = Watchdog(), threading.Event(), threading.Event()

    def fails() -> None:
        raise AttributeError("no shutdown")

    with watchdog.within(0.01, fails), watchdog.within(0.02, ended.set):
        assert ended.wait(LONG)
    with watchdog.within(0.01, later.set):
        assert later.wait(LONG)

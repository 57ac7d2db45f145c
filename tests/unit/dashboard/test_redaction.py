"""Which parts of a header are secret; tests/hostile/test_secrets.py proves that none is kept or shown."""

from __future__ import annotations

import pytest
from requests import PreparedRequest
from tablero.dashboard.redaction import Redactor, address_secrets, header_secrets


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        ("Bearer 12345678", {"12345678"}),
        ("Bearer 1234567", set()),  # too short to be cut out of arbitrary text
        ("lang=es; session=0123456789", {"0123456789"}),
        ('Token token="0123456789", realm=x', {"0123456789"}),
        ("Basic dXNlcjpwYXNzd29yZA==", {"dXNlcjpwYXNzd29yZA"}),
    ],
)
def test_a_header_and_its_parts(value: str, parts: set[str]) -> None:
    """A secret is the whole value, and also what follows the scheme or the name, since a server may repeat either."""
    assert header_secrets(value) == {value, *parts}


@pytest.mark.parametrize(
    ("address", "secret"),
    [
        ("https://hooks.slack.com/services/T000/B000/aBcDeFgHiJkLmNoPqRsTuVwX", "aBcDeFgHiJkLmNoPqRsTuVwX"),
        ("hooks.slack.com/services/T000/B000/aBcDeFgHiJkLmNoPqRsTuVwX", "aBcDeFgHiJkLmNoPqRsTuVwX"),
        (
            "https://api.telegram.org/bot42:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc/sendMessage?chat_id=-100123",
            "AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc",
        ),
        ("https://x.logic.azure.com/workflows/1/invoke?sp=%2Frun&sig=aB3_x%2DyZ%2B0123456789", "aB3_x-yZ%2B0123456789"),
        ("https://hc-ping.com/5d6e7f80-1234-4abc-9def-0123456789ab", "5d6e7f80-1234-4abc-9def-0123456789ab"),
        ("https://monitor:password1@status.example.org/ping", "password1"),
    ],
)
def test_the_address_of_a_webhook_is_a_secret(address: str, secret: str) -> None:
    """Path, query and login of a secret address are replaced, as written and as a client spells them; the server is not."""
    redact = Redactor(address_secrets(address))
    spelled = PreparedRequest()
    spelled.prepare_url(address if "://" in address else f"https://{address}", None)
    for text in (address, f"Max retries exceeded with url: {spelled.path_url}", f"'{secret}'"):
        assert secret not in redact(text)
    assert redact("connection to hooks.slack.com refused") == "connection to hooks.slack.com refused"


@pytest.mark.parametrize("address", ["https://example.org", "http://127.0.0.1:8080/hook", "example.org", ""])
def test_an_address_without_a_secret(address: str) -> None:
    """A short path is a word, which is left readable wherever it occurs."""
    assert Redactor(address_secrets(address))("the hook of example.org") == "the hook of example.org"

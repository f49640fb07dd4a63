"""Signatures of webhooks, judged by the specification's library; and sealed secrets."""

from __future__ import annotations

import base64
import time
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from bookings.infrastructure import seals
from bookings.news.webhooks import signing

BODY = '{"type":"booking.confirmed","guest":"Żółć"}'.encode()


def sign(*secrets: str, body: bytes = BODY, **fields: Any) -> dict[str, str]:
    values = {"webhook_id": "msg-1", "timestamp_s": int(time.time()), **fields}
    return signing.headers_of(body=body, secrets=secrets, **values)


def test_signs_what_the_library_of_the_specification_accepts() -> None:
    secret = signing.make_secret()

    assert Webhook(secret).verify(BODY, sign(secret))["type"] == "booking.confirmed"


def test_signs_as_the_specifications_own_example() -> None:
    """The values with which the specification's libraries test themselves."""
    headers = signing.headers_of(
        webhook_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp_s=1614265330,
        body=b'{"test": 2432232314}',
        secrets=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )

    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_signs_with_each_secret_while_they_overlap() -> None:
    old, new = signing.make_secret(), signing.make_secret()

    headers = sign(new, old)

    for secret in (old, new):
        assert Webhook(secret).verify(BODY, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(signing.make_secret()).verify(BODY, headers)


@pytest.mark.parametrize(
    "changed",
    [{"webhook-id": "msg-2"}, {"webhook-timestamp": str(int(time.time()) + 100)}],
)
def test_signs_id_and_time_too(changed: dict[str, str]) -> None:
    secret = signing.make_secret()

    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY, {**sign(secret), **changed})


def test_makes_secrets_that_nobody_guesses() -> None:
    made = {signing.make_secret() for _ in range(100)}

    assert len(made) == 100
    assert {len(base64.b64decode(secret.removeprefix("whsec_"))) for secret in made} == {32}


def test_seals_a_secret_so_that_it_cannot_be_seen(settings: Any) -> None:
    sealed = [seals.seal("whsec_abc") for _ in range(2)]

    assert sealed[0] != sealed[1]
    assert [seals.open_seal(text) for text in sealed] == ["whsec_abc"] * 2
    assert "abc" not in base64.urlsafe_b64decode(sealed[0]).decode("latin-1")
    assert settings.SECRET_KEY not in seals.name_of_key()


def test_opens_what_an_earlier_key_sealed_as_long_as_that_is_named(settings: Any) -> None:
    sealed, before = seals.seal("whsec_abc"), seals.name_of_key()
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another"

    assert seals.open_seal(sealed) == "whsec_abc"
    assert seals.name_of_key() != before
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(seals.SealBroken, match="make a new secret"):
        seals.open_seal(sealed)

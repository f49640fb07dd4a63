"""A project of Django with nothing but the example, for gunicorn, with faults to arm.

The points at which a fault may strike:

    before_insert, before_answer, before_commit     the command has not been sent to MongoDB
    after_insert, after_answer, after_commit        MongoDB has done it
    before_finish, after_finish                     around the note in Redis of a success
"""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import django
from django.conf import settings
from django.http import HttpRequest
from pymongo import monitoring

from tests.faults import Faults

# Far shorter than in production, so that a test sees the keys of killed workers become free.
LEASE_MS = 1_000

strike = Faults(Path(os.environ["TEST_FAULTS"]))


class Points(monitoring.CommandListener):
    """The points around commands to MongoDB, in the thread that sends them."""

    NAMES = {"insert": "insert", "update": "answer", "commitTransaction": "commit"}

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        self.reach("before", event)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        self.reach("after", event)

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        pass

    def reach(self, when: str, event: Any) -> None:
        if name := self.NAMES.get(event.command_name):
            strike(f"{when}_{name}")


def log_in(get_response: Any) -> Any:
    """Middleware that takes the user from a header."""

    def respond(request: HttpRequest) -> Any:
        user = SimpleNamespace(pk=request.headers.get("X-User", "ada"), is_authenticated=True)
        request.user = user  # type: ignore[assignment]
        return get_response(request)

    return respond


settings.configure(
    SECRET_KEY="only-for-tests",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=[f"{__name__}.log_in"],
    MONGODB_URI=os.environ["SHOP_MONGODB_URI"],
    REDIS_URL=os.environ["SHOP_REDIS_URL"],
)
django.setup()
# Before the example makes its client, which takes the listeners registered by then.
monitoring.register(Points())

from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.urls import path  # noqa: E402

from docs.examples import vouchers  # noqa: E402
from idempotency.claims import Claim  # noqa: E402

vouchers.keyed.claims._lease_ms = LEASE_MS
succeed = Claim.succeed


def succeed_with_points(self: Claim, *args: Any, **kwargs: Any) -> Any:
    strike("before_finish")
    settled = succeed(self, *args, **kwargs)
    strike("after_finish")
    return settled


Claim.succeed = succeed_with_points  # type: ignore[method-assign]

urlpatterns = [path("vouchers", vouchers.issue_voucher)]
application = get_wsgi_application()

"""The run that sends webhooks: each endpoint's news in its order, several endpoints side by side.

Whoever runs reads and writes MongoDB alone; the threads only post. An endpoint is taken for one
event and then goes to the end of the line, so that neither many events nor a slow receiver hold
up another one.
"""

import logging
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from bookings import answers, clock
from bookings.clock import request_limits
from bookings.points import reached
from bookings.webhooks import backlog, endpoints, posting, signing
from bookings.webhooks.backlog import Delivery
from bookings.webhooks.endpoints import Endpoint
from bookings.webhooks.posting import Answer
from bookings.webhooks.seals import SealBroken

logger = logging.getLogger(__name__)

# So many receivers may be slow at once before the others notice.
MAX_PARALLEL = 8

# A run starts no post after this long; the next run comes in seconds. A worker that is told to end
# has a minute.
RUN_LIMIT_S = 20.0

# How soon a run that waits for a slow receiver sees what is new for the others.
LOOK_AGAIN_S = 0.5

# An event that was refused so often, for about five minutes, does not hold up the later ones any
# more if those are taken.
TRIES_IN_ORDER = 5

# A worker has several threads, and webhooks must not take them from the other tasks.
_one_run = threading.Lock()


@dataclass(frozen=True)
class Figures:
    """What became of tries since the database was made, and what waits, for whatever.

    `oldest_due_age_s` is how long a worker should have begun with something already; `failing` and
    `disabled` count endpoints.
    """

    results: dict[str, int]
    waiting: int
    oldest_due_age_s: float
    failing: int
    disabled: int


@dataclass(frozen=True)
class _Post:
    """What is sent now. Without a delivery it is a test; `refused` is the event that was refused
    before it in the same turn, with the answer to that."""

    endpoint: Endpoint
    delivery: Delivery | None
    refused: tuple[Delivery, Answer] | None = None


def send_webhooks() -> int:
    """Sends what is due until nothing is or the time is up; returns how many were taken."""
    if not _one_run.acquire(blocking=False):
        return 0
    try:
        return _run()
    finally:
        _one_run.release()


def read_figures() -> Figures:
    """The figures now, the same in whichever process asks."""
    ready = [str(endpoint["client_id"]) for endpoint in endpoints.find_ready()]
    return Figures(
        results=backlog.read_results(),
        waiting=backlog.count_waiting(),
        oldest_due_age_s=backlog.due_longest_s(ready),
        failing=endpoints.count_failing(),
        disabled=endpoints.count_disabled(),
    )


def _run() -> int:
    with request_limits():
        endpoints.seal_anew()
    starts_nothing_after_s = time.monotonic() + RUN_LIMIT_S
    under_way: dict[Future[Answer], _Post] = {}
    taken = 0
    with ThreadPoolExecutor(MAX_PARALLEL) as pool:
        while True:
            if time.monotonic() < starts_nothing_after_s:
                with request_limits():
                    for post in _take_posts(MAX_PARALLEL - len(under_way)):
                        under_way[_begin(pool, post)] = post
            if not under_way:
                return taken
            done, _ = wait(under_way, LOOK_AGAIN_S, FIRST_COMPLETED)
            for future in done:
                with request_limits():
                    post = under_way.pop(future)
                    taken += _is_taken(post, future.result())
                    if following := _end(post, future.result()):
                        under_way[_begin(pool, following)] = following


def _take_posts(most: int) -> list[_Post]:
    """One for each of up to `most` endpoints that nobody else has, in their turn."""
    if most == 0:
        return []
    ready = endpoints.find_ready()
    due = backlog.clients_with_due(str(endpoint["client_id"]) for endpoint in ready)
    posts: list[_Post] = []
    for candidate in ready:
        if len(posts) == most:
            break
        if not candidate["has_test"] and str(candidate["client_id"]) not in due:
            continue
        if endpoint := endpoints.take(candidate["_id"]):
            if post := _next_post(endpoint):
                posts.append(post)
            else:
                endpoints.release(endpoint)
    return posts


def _next_post(endpoint: Endpoint) -> _Post | None:
    if endpoint.get("test", {}).get("is_due"):
        return _Post(endpoint, None)
    delivery = backlog.find_oldest_due(str(endpoint["client_id"]))
    return _Post(endpoint, delivery) if delivery else None


def _begin(pool: ThreadPoolExecutor, post: _Post) -> Future[Answer]:
    """Signs and sends; with MongoDB's time, since receivers compare it with theirs."""
    webhook_id, body = _content(post)
    try:
        headers = {
            "User-Agent": f"Bookingsite/{settings.VERSION}",
            **signing.headers_of(
                webhook_id=webhook_id,
                timestamp_s=int(clock.now().timestamp()),
                body=body,
                secrets=endpoints.open_secrets(post.endpoint),
            ),
        }
    except SealBroken as broken:
        unsent: Future[Answer] = Future()
        unsent.set_result(Answer(0, str(broken), 0))
        return unsent
    return pool.submit(posting.post, post.endpoint["url"], body, headers)


def _content(post: _Post) -> tuple[str, bytes]:
    """The id and the bytes, the same at each try."""
    body: dict[str, Any]
    if (delivery := post.delivery) is None:
        test = post.endpoint["test"]
        body = {
            "type": "webhook.test",
            "id": test["id"],
            "timestamp": answers.iso(test["ordered_at"]),
            "data": {},
        }
    else:
        body = {
            "type": f"booking.{delivery['event']}",
            "id": delivery["event_id"],
            "timestamp": answers.iso(delivery["at"]),
            "data": {"version": delivery["version"], "booking": delivery["payload"]},
        }
    return body["id"], answers.to_bytes(body)


def _is_taken(post: _Post, answer: Answer) -> bool:
    return post.delivery is not None and answer.is_success


def _end(post: _Post, answer: Answer) -> _Post | None:
    """Writes down what came of it; returns what is to be sent to the endpoint next, if anything."""
    reached("after_post")
    endpoint, delivery = post.endpoint, post.delivery
    about: dict[str, Any] = {
        "endpoint": str(endpoint["_id"]),
        "webhook_id": _content(post)[0],
        "status": answer.status,
        "took_ms": answer.took_ms,
    }
    if delivery is None:
        endpoints.answer_test(endpoint, answer)
        logger.info("webhook_tested", extra=about)
    elif answer.is_success:
        backlog.settle(delivery)
        if post.refused:
            _stand_aside(*post.refused, about)
        endpoints.succeed(endpoint)
        logger.info("webhook_sent", extra=about)
    elif post.refused is None and delivery.get("refused_since"):
        # That it is refused says nothing about the receiver, which takes others.
        _stand_aside(delivery, answer, about)
        endpoints.release(endpoint)
    elif post.refused is None and (later := _later_one(post)):
        logger.warning("webhook_not_sent", extra={**about, "reason": answer.problem})
        return _Post(endpoint, later, refused=(delivery, answer))
    else:
        _fail(post, answer, about)
    return None


def _later_one(post: _Post) -> Delivery | None:
    """The next event, to see whether it is the receiver that fails, or this one event."""
    assert post.delivery is not None
    if post.delivery["tries"] + 1 < TRIES_IN_ORDER or not endpoints.renew(post.endpoint):
        return None
    return backlog.find_oldest_due(str(post.endpoint["client_id"]), besides=post.delivery["_id"])


def _stand_aside(delivery: Delivery, answer: Answer, about: dict[str, Any]) -> None:
    is_given_up = backlog.stand_aside(delivery, answer.problem)
    logger.warning(
        "webhook_given_up" if is_given_up else "webhook_refused",
        extra={**about, "webhook_id": delivery["event_id"], "reason": answer.problem},
    )


def _fail(post: _Post, answer: Answer, about: dict[str, Any]) -> None:
    """The endpoint pauses, and with it what it did not take."""
    assert post.delivery is not None
    failed = [(post.delivery, answer)]
    if post.refused:
        failed.insert(0, post.refused)
    paused = endpoints.fail(post.endpoint, answer)
    for delivery, problem in failed:
        backlog.put_off(delivery, problem.problem, paused["next_try_at"] if paused else None)
    logger.warning("webhook_not_sent", extra={**about, "reason": answer.problem})
    if paused and paused["disabled_at"] and post.endpoint["is_active"]:
        logger.warning("webhook_endpoint_disabled", extra=about)

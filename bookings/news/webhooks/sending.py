"""The run that sends webhooks: each endpoint's news in its order, several endpoints side by side.

An endpoint that was served goes to the end of the line after a moment, so that neither many events
nor a slow receiver hold up another one. Nor does an event or an endpoint that is damaged.
"""

import logging
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import Any

from django.conf import settings

from bookings.infrastructure import clock
from bookings.infrastructure.clock import request_limits
from bookings.infrastructure.mongodb import outage
from bookings.infrastructure.queues import failed_work
from bookings.infrastructure.queues.failed_work import ENDPOINTS
from bookings.infrastructure.queues.single_run import RunTime, one_at_a_time
from bookings.infrastructure.seals import SealBroken
from bookings.news.webhooks import backlog, endpoints, posting, signing
from bookings.news.webhooks.backlog import DeliveryDocument
from bookings.news.webhooks.endpoints import Endpoint
from bookings.news.webhooks.posting import WebhookAnswer
from bookings.points import reached
from bookings.stays import answers

logger = logging.getLogger(__name__)

# So many receivers may be slow at once before the others notice.
MAX_PARALLEL = 8

# How soon a run that waits for a slow receiver sees what is new for the others.
LOOK_AGAIN_S = 0.5

# An endpoint sends nothing more after this long, if others wait for their turn.
TURN_S = 2.0

# An event that was refused so often, for about five minutes, has those of other bookings probed
# after it, and stands aside if one of those is taken and it is refused once more. So many are
# refused in one turn at most.
TRIES_IN_ORDER = 5
MAX_REFUSED = 10


@one_at_a_time
def send_webhooks() -> int:
    """Sends what is due until nothing is or the time is up; returns how many were taken."""
    with request_limits():
        endpoints.seal_anew()
    run_time = RunTime()
    under_way: set[Future[int]] = set()
    taken = 0
    with ThreadPoolExecutor(MAX_PARALLEL) as pool:
        while True:
            if not run_time.is_up:
                for endpoint in _take_endpoints(MAX_PARALLEL - len(under_way)):
                    # What is logged there carries the id of this task too.
                    under_way.add(pool.submit(copy_context().run, _serve, endpoint))
            if not under_way:
                return taken
            done, under_way = wait(under_way, LOOK_AGAIN_S, FIRST_COMPLETED)
            taken += sum(future.result() for future in done)


def oldest_due_age_s() -> float:
    """How long a worker should have begun with an event already; 0 if none is due. What waits for
    its endpoint is not."""
    ready = endpoints.find_ready()
    return backlog.due_longest_s(str(endpoint["client_id"]) for endpoint in ready)


def _take_endpoints(most: int) -> list[Endpoint]:
    """Up to `most` endpoints that something is due for and nobody else has, in their turn."""
    if most == 0:
        return []
    taken: list[Endpoint] = []
    with request_limits():
        ready = endpoints.find_ready()
        due = backlog.clients_with_due(str(endpoint["client_id"]) for endpoint in ready)
        for candidate in ready:
            if candidate["has_test"] or str(candidate["client_id"]) in due:
                if endpoint := endpoints.take(candidate["_id"]):
                    taken.append(endpoint)
                if len(taken) == most:
                    break
    return taken


def _serve(endpoint: Endpoint) -> int:
    """One turn of an endpoint that was taken; returns how many events it took."""
    try:
        if endpoint.get("test", {}).get("is_due"):
            _send_test(endpoint)
            taken = 0
        else:
            taken = _send_news(endpoint)
        if taken and endpoint.get("failures"):
            failed_work.forget(ENDPOINTS, [endpoint["_id"]])
    except Exception as error:
        if outage.is_to_blame(error):
            raise
        _fail_by_itself(endpoint, error)
        taken = 0
    with request_limits():
        endpoints.release(endpoint)
    return taken


def _fail_by_itself(endpoint: Endpoint, error: Exception) -> None:
    """Something is wrong with it here, and not with its receiver: it pauses as if it were."""
    answer = WebhookAnswer(0, "It could not be served; the worker's log says why.", 0)
    with request_limits():
        endpoints.drop_test(endpoint)
        paused = endpoints.fail(endpoint, answer)
    is_over = paused is not None and not paused["is_active"]
    said = {"endpoint": str(endpoint["_id"]), "reason": type(error).__name__}
    if failed_work.note(ENDPOINTS, endpoint["_id"], error, is_over=is_over).is_new:
        said |= failed_work.describe(error)
    logger.error("webhook_endpoint_failed", extra=said)


def _send_test(endpoint: Endpoint) -> None:
    test = endpoint["test"]
    at = answers.iso(test["ordered_at"])
    content = {"type": "webhook.test", "id": test["id"], "timestamp": at, "data": {}}
    answer = _post(endpoint, test["id"], answers.to_bytes(content))
    with request_limits():
        endpoints.answer_test(endpoint, answer)
    _log(logging.INFO, "webhook_tested", endpoint, test["id"], answer)


def _send_news(endpoint: Endpoint) -> int:
    """Sends what happened first, again and again. If that is refused, the turn ends and the
    endpoint pauses, unless a probe of others shows that the receiver takes those. Then it is sent
    once more before anything else, since the receiver may have come back in between."""
    turn_ends_at_s = time.monotonic() + TURN_S
    client_id = str(endpoint["client_id"])
    # The first in order, and the probes after it.
    refused: list[tuple[DeliveryDocument, WebhookAnswer]] = []
    probes: Iterator[DeliveryDocument] = iter(())
    # What was refused before a probe was taken.
    doubted: set[Any] = set()
    is_choosy = False
    taken = 0
    while len(refused) < MAX_REFUSED:
        with request_limits():
            delivery = next(probes, None) if refused else backlog.find_next_due(client_id)
            is_overtaken = delivery is not None and backlog.is_overtaken(delivery)
        if delivery is None:
            break
        if is_overtaken:
            with request_limits():
                backlog.pass_over(delivery)
            continue
        try:
            body = _write(delivery)
        except Exception as error:
            with request_limits():
                backlog.set_aside(delivery, error)
            continue
        answer = _post(endpoint, delivery["event_id"], body)
        reached("after_post")
        is_late = time.monotonic() >= turn_ends_at_s
        with request_limits():
            if answer.is_success:
                _log(logging.INFO, "webhook_sent", endpoint, delivery["event_id"], answer)
                backlog.settle(delivery)
                if not taken:
                    endpoints.succeed(endpoint)
                goes_on = bool(refused)
                doubted.update(one_refused["_id"] for one_refused, _ in refused[:1])
                for one_refused, its_answer in refused:
                    backlog.put_off(one_refused, its_answer.problem, None)
                refused = []
                taken += 1
            elif (
                "refused_since" in delivery
                or delivery["_id"] in doubted
                or (is_choosy and delivery["tries"])
            ):
                # It is one of those that the receiver refuses while it takes others.
                goes_on = False
                is_choosy = is_choosy or delivery["_id"] in doubted
                _stand_aside(endpoint, delivery, answer)
            else:
                goes_on = not refused
                _log(logging.WARNING, "webhook_not_sent", endpoint, delivery["event_id"], answer)
                refused.append((delivery, answer))
                if refused[0][0]["tries"] + 1 < TRIES_IN_ORDER:
                    break
                if goes_on:
                    probes = backlog.find_probes(client_id, besides=delivery, limit=MAX_REFUSED)
        # Who was refused just now still has its first probe, and its last try after that was taken,
        # or the slow would never have one.
        if is_late and not goes_on:
            break
    if refused:
        with request_limits():
            _fail(endpoint, refused)
    return taken


def _write(delivery: DeliveryDocument) -> bytes:
    """What the partner is told, the same at each try. Raises anything if it is damaged."""
    if not isinstance(delivery["tries"], int) or not delivery["event_id"].isprintable():
        raise ValueError
    return answers.to_bytes(
        {
            "type": f"booking.{delivery['event']}",
            "id": delivery["event_id"],
            "timestamp": answers.iso(delivery["at"]),
            "data": {"version": delivery["version"], "booking": delivery["payload"]},
        }
    )


def _post(endpoint: Endpoint, webhook_id: str, body: bytes) -> WebhookAnswer:
    """Signs and sends; with MongoDB's time, since receivers compare it with theirs."""
    try:
        with request_limits():
            headers = signing.headers_of(
                webhook_id=webhook_id,
                timestamp_s=int(clock.now().timestamp()),
                body=body,
                secrets=endpoints.open_secrets(endpoint),
            )
    except SealBroken as broken:
        return WebhookAnswer(0, str(broken), 0)
    agent = {"User-Agent": f"Bookingsite/{settings.VERSION}"}
    return posting.post(endpoint["url"], body, {**agent, **headers})


def _stand_aside(endpoint: Endpoint, delivery: DeliveryDocument, answer: WebhookAnswer) -> None:
    is_given_up = backlog.stand_aside(delivery, answer.problem)
    message = "webhook_given_up" if is_given_up else "webhook_refused"
    _log(logging.WARNING, message, endpoint, delivery["event_id"], answer)


def _fail(endpoint: Endpoint, refused: list[tuple[DeliveryDocument, WebhookAnswer]]) -> None:
    """The endpoint pauses, and with it what it did not take."""
    _, answer = refused[-1]
    paused = endpoints.fail(endpoint, answer)
    for delivery, its_answer in refused:
        backlog.put_off(delivery, its_answer.problem, paused["next_try_at"] if paused else None)
    if paused and paused["disabled_at"] and endpoint["is_active"]:
        logger.warning("webhook_endpoint_disabled", extra={"endpoint": str(endpoint["_id"])})


def _log(
    level: int, message: str, endpoint: Endpoint, webhook_id: str, answer: WebhookAnswer
) -> None:
    about: dict[str, Any] = {
        "endpoint": str(endpoint["_id"]),
        "webhook_id": webhook_id,
        "status": answer.status,
        "took_ms": answer.took_ms,
    }
    if level > logging.INFO:
        about["reason"] = answer.problem
    logger.log(level, message, extra=about)

"""The run that sends webhooks: each endpoint's news in its order, several endpoints side by side.

After a short turn an endpoint goes to the end of the queue, so that neither many events nor a slow
receiver hold up the others. Nor does a damaged event or endpoint.
"""

import logging
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import Any

from django.conf import settings

from bookings.infrastructure import clock
from bookings.infrastructure.deadlines import request_limits
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

# This many receivers may be slow at once before the others are held up.
MAX_PARALLEL = 8

# How soon a run that waits for a slow receiver notices new work for the others.
LOOK_AGAIN_S = 0.5

# After this long an endpoint begins no further event, if others wait for their turn.
TURN_S = 2.0

# After this many refusals of an event, in about five minutes, events of other bookings are probed
# after it. If one of those is accepted and the event is refused again, the event stands aside.
# A turn ends after MAX_REFUSED refusals.
TRIES_IN_ORDER = 5
MAX_REFUSED = 10


@one_at_a_time
def send_webhooks() -> int:
    """Sends until nothing is due or its time is up; returns how many events were accepted."""
    with request_limits():
        endpoints.seal_again()
    run_time = RunTime()
    under_way: set[Future[int]] = set()
    taken = 0
    with ThreadPoolExecutor(MAX_PARALLEL) as pool:
        while True:
            if not run_time.is_up:
                for endpoint in _take_endpoints(MAX_PARALLEL - len(under_way)):
                    # The context carries this task's id into log lines.
                    under_way.add(pool.submit(copy_context().run, _serve, endpoint))
            if not under_way:
                return taken
            done, under_way = wait(under_way, LOOK_AGAIN_S, FIRST_COMPLETED)
            taken += sum(future.result() for future in done)


def oldest_due_age_s() -> float:
    """For how long the oldest event has been due that a worker should have begun; 0 if none is.
    Events that wait for their endpoint do not count."""
    ready = endpoints.find_ready()
    return backlog.due_longest_s(str(endpoint["client_id"]) for endpoint in ready)


def _take_endpoints(most: int) -> list[Endpoint]:
    """Takes up to `most` endpoints with due events, in turn, that no other worker has."""
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
    """One turn of an endpoint that was taken; returns how many events it accepted."""
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
    """Pauses an endpoint that fails for a reason on this side, as if its receiver had failed."""
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
    """Sends the oldest event, again and again. If one is refused, the turn ends and the endpoint
    pauses, unless a probe shows that the receiver accepts events of other bookings. Then the
    refused event is sent again before anything else, since the receiver may have recovered."""
    turn_ends_at_s = time.monotonic() + TURN_S
    client_id = str(endpoint["client_id"])
    # The refused event that is first in order, and the refused probes after it.
    refused: list[tuple[DeliveryDocument, WebhookAnswer]] = []
    probes: Iterator[DeliveryDocument] = iter(())
    # Events that were refused before a probe was accepted.
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
                # The receiver refuses this event while it accepts others.
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
        # Even when the turn is over, a refused event gets its first probe, and its last try after
        # an accepted probe. Otherwise slow receivers would never get either.
        if is_late and not goes_on:
            break
    if refused:
        with request_limits():
            _fail(endpoint, refused)
    return taken


def _write(delivery: DeliveryDocument) -> bytes:
    """The request's body, the same at each try. Raises any error if the delivery is damaged."""
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
    """Signs and sends, with MongoDB's time, since receivers compare it with their own."""
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
    """Pauses the endpoint, and has the refused events wait for it."""
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

"""Records the real traffic between the process and its two servers, where the drivers send it.

It uses the page's names: B1 is the booking that client 1 made, K1 the key of its request.
"""

from __future__ import annotations

from typing import Any

from bson import ObjectId
from pymongo import monitoring

from idempotency import claims
from locks.connection import GuardedPipeline, GuardedRedis
from locks.redis_lock import script
from tests.scenarios.stage import CONFLICT, Client, playing

# MongoDB's codes.
WRITE_CONFLICT, DUPLICATE_KEY = 112, 11000

INDEXES = {"one_active_booking_per_slot": "slots", "one_booking_per_key": "keys"}

# Commands that are no part of the story: the driver's own, and those with which every request reads
# the catalogue again.
QUIET = {"hello", "ismaster", "ping", "abortTransaction", "endSessions", "buildInfo"}


class Names:
    """Short names that are the same in every recording."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.bookings: dict[ObjectId, str] = {}
        self.keys: dict[str, str] = {}
        self.owners: dict[str, int] = {}

    def name_booking(self, booking_id: ObjectId, number: int) -> None:
        if booking_id in self.bookings:
            return
        taken = set(self.bookings.values())
        self.bookings[booking_id] = next(
            name for name in (f"B{number}", f"B{number}b") if name not in taken
        )


names = Names()

# The scripts by their text, together with the replacements that guards.py adds.
scripts = {
    claims._CLAIM: "claim",
    claims._FINISH: "finish",
    claims._ABANDON: "abandon",
    script("acquire"): "lock",
    script("release"): "release",
}

# Traffic that has no place in the story. It must be empty: a recording shows everything.
strange: list[str] = []


def _see_script(client: Client, arguments: tuple[Any, ...], answer: Any) -> None:
    if arguments[0] == "GET":
        return  # the value that says whether anything has changed (recent_reads.py)
    _, text, count, *rest = arguments
    keys, values = rest[:count], rest[count:]
    name = scripts[text]
    if name == "claim":
        names.owners[values[0]] = client.number
        names.keys[keys[0].removeprefix("idempotency:")] = client.key
        client.see("claim", answer[0].decode())
    elif name == "lock":
        names.owners[values[0]] = client.number
        client.see("lock", "busy" if answer else "locked")
    elif name == "finish":
        client.see("finish", values[2].decode(), answer[0].decode())
    else:
        client.see(name, "done" if answer else "not_ours")


def watch_redis() -> None:
    """Reports every script that the client's thread runs in Redis to the client."""
    execute_command, execute = GuardedRedis.execute_command, GuardedPipeline.execute

    def execute_command_seen(self: GuardedRedis, *arguments: Any, **options: Any) -> Any:
        answer = execute_command(self, *arguments, **options)
        if playing.client:
            _see_script(playing.client, arguments, answer)
        return answer

    def execute_seen(self: GuardedPipeline, raise_on_error: bool = True) -> list[Any]:
        sent = [arguments for arguments, _ in self.command_stack]
        answers = execute(self, raise_on_error)
        if playing.client:
            for arguments, answer in zip(sent, answers, strict=True):
                _see_script(playing.client, arguments, answer)
        return answers

    GuardedRedis.execute_command = execute_command_seen  # type: ignore[method-assign]
    GuardedPipeline.execute = execute_seen  # type: ignore[method-assign]


class Watch(monitoring.CommandListener):
    """Reports every command that the client's thread sends to MongoDB to the client, and stops the
    client there if the flow has no point of its own."""

    def __init__(self) -> None:
        self._sent: dict[int, dict[str, Any]] = {}

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        client = playing.client
        if client is None:
            if event.command_name == "insert" and event.command["insert"] == "bookings":
                # Data from before the beginning of the story belongs to client 1.
                names.name_booking(event.command["documents"][0]["_id"], 1)
                names.keys[event.command["documents"][0]["keys"][0]["digest"]] = "K1"
            return
        self._sent[event.request_id] = event.command
        if event.command_name == "update" and "autocommit" not in event.command:
            client.stop("before_change")

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        client = playing.client
        if client is None:
            return
        command = self._sent.pop(event.request_id)
        reply: Any = event.reply
        try:
            self._see(client, event.command_name, command, reply)
        except Exception as error:  # the driver would only print it
            strange.append(f"{event.command_name}: {error!r}")
        if any(error["code"] == DUPLICATE_KEY for error in reply.get("writeErrors", ())):
            client.stop("duplicate")

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        client = playing.client
        if client is None:
            return
        command = self._sent.pop(event.request_id)
        if event.command_name in QUIET:
            return
        failure: Any = event.failure
        if failure.get("code") == DUPLICATE_KEY:
            self._see(client, event.command_name, command, {"writeErrors": [failure]})
            client.stop("duplicate")
        elif failure.get("code") == WRITE_CONFLICT and event.command_name == "insert":
            self._see(client, event.command_name, command, failure)
            client.stop(CONFLICT)
        else:
            strange.append(f"{event.command_name}: {failure}")

    def _see(self, client: Client, name: str, command: dict[str, Any], reply: Any) -> None:
        about = command.get(name)
        if name in QUIET or (name == "find" and about in ("hotels", "rooms")):
            return
        if name == "aggregate" and about == "room_categories":
            client.see("stock")
        elif name == "insert" and about == "bookings":
            names.name_booking(command["documents"][0]["_id"], client.number)
            names.keys[command["documents"][0]["keys"][0]["digest"]] = client.key
            client.see("insert", "conflict" if "code" in reply else _complaint(reply) or "ok")
        elif name == "commitTransaction":
            client.see("commit")
        elif name in ("find", "aggregate") and about == "bookings":
            found = [names.bookings[document["_id"]] for document in reply["cursor"]["firstBatch"]]
            asked = command["filter"] if name == "find" else command["pipeline"][0]["$match"]
            by = {"keys.digest": "find_key", "slots": "find_rivals", "_id": "find_booking"}
            client.see(next(by[field] for field in by if field in asked), *found)
        elif name == "update" and about == "bookings":
            (update,) = command["updates"]
            became = update["u"]["$set"]["status"]
            client.see(became, _complaint(reply) or ("ok" if reply["nModified"] else "stale"))
        else:
            strange.append(f"{name} {about}")


def _complaint(reply: Any) -> str:
    """Returns the index that refused the write, if one did."""
    for error in reply.get("writeErrors", ()):
        return next(short for name, short in INDEXES.items() if name in error["errmsg"])
    return ""

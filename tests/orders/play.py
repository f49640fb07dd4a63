"""One run of a small world, and what must be true at its end."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from bookings.infrastructure import connections
from tests.calls import check_fields_agree
from tests.orders import worlds
from tests.orders.model import TRANSIENT, Answer, Ran, Wish, World, explanations, is_kept
from tests.orders.process import START, Process, owners, stops, waits
from tests.scenarios.stage import Step

# The turn in which the time of all holds runs out.
TIME = "t"


class SmallWorld:
    """Requests that meet in a world. Each actor is the number of a process; `x1` ends process 1,
    and `t` lets the time of all holds run out.

    `crashes` says that one of the processes may die at any of its stops. It is enough that it does
    so when no other one can go on: until then, others see a process that works no longer as one
    that waits for its turn, and what it has not committed as something that was never written.
    With `switches` only that many changes from one process to another are allowed.
    """

    def __init__(
        self,
        beginning: worlds.Beginning,
        operations: Sequence[str],
        *,
        crashes: bool = False,
        time_passes: bool = False,
        switches: int | None = None,
    ) -> None:
        self.wishes = [
            worlds.wish_for(operation, number) for number, operation in enumerate(operations, 1)
        ]
        owners.clear()
        self.begin: World = beginning.again(self.wishes)
        self._bodies: dict[int, bytes] = {}
        self._crash_is_due, self._time_is_due = crashes, time_passes
        self._after: dict[int, frozenset[int]] = {}
        self._time_after: frozenset[int] | None = None
        self._crashed: int | None = None
        self._last = ""
        self._switches = switches
        limits = sum(operation in worlds.LIMITED for operation in operations) > 1
        locks = [worlds.slots_to_lock(wish, operations) for wish in self.wishes]
        self.processes = []
        for number, (operation, wish) in enumerate(zip(operations, self.wishes, strict=True)):
            is_twice = operation in worlds.SAME_KEY and operations.count(operation) > 1
            others_lock = set().union(*(lock for n, lock in enumerate(locks) if n != number))
            shares = {
                *(["key"] if is_twice else []),
                *(["slots"] if locks[number] & others_lock else []),
                *(["limits"] if operation in worlds.LIMITED and limits else []),
            }
            self.processes.append(
                Process(
                    number,
                    lambda number=number, wish=wish: self._ask(number, wish),  # type: ignore[misc]
                    shares=frozenset(shares),
                    look=lambda: repr(worlds.state_of_servers(self._shares)),
                )
            )
        self._shares = frozenset().union(*(process.shares for process in self.processes))
        for process in self.processes:
            process.others = [other for other in self.processes if other is not process]

    def actors(self) -> list[str]:
        if all(process.is_over for process in self.processes):
            return []
        ready = []
        for number, process in enumerate(self.processes, 1):
            if process.is_over:
                continue
            if process.is_unnoticed:
                # Whether this step is taken now or later, the others go on in the same way.
                return [str(number), *([f"x{number}"] if self._crash_is_due else [])]
            if why := process.why_waiting:
                waits[f"{why} ({process.at})"] += 1
            else:
                ready.append(str(number))
        alone = ready[0] if len(ready) == 1 else ""
        if self._switches == 0 and self._last in ready:
            ready = [self._last]
        if self._crash_is_due and alone and self.processes[int(alone) - 1].at != START:
            ready.append(f"x{alone}")
        # The clock does this by an update, which would wait for a transaction.
        written = [process.open.has_written_bookings for process in self.processes if process.open]
        if self._time_is_due and not any(written):
            ready.append(TIME)
        return ready

    def take(self, actor: str) -> Step:
        over = frozenset(number for number, each in enumerate(self.processes) if each.is_over)
        if actor == TIME:
            self._time_is_due = False
            self._time_after = over
            worlds.let_holds_end()
            return (("time",),)
        number = int(actor.removeprefix("x")) - 1
        process = self.processes[number]
        stops[process.at] += 1
        if actor.startswith("x"):
            self._crash_is_due = False
            self._crashed = number
            return process.crash()
        if process.at == START:
            has_passed = {len(self.wishes)} if self._time_after is not None else set()
            self._after[number] = over | has_passed
        if self._switches and self._last not in ("", actor):
            self._switches -= 1
        self._last = actor
        return process.take_turn()

    def seen(self) -> tuple[Any, ...]:
        processes = [
            (each.at, each.seen, each.snapshot, each.why_waiting) for each in self.processes
        ]
        when = (sorted(self._after.items()), self._time_after)
        bound = None if self._switches is None else (self._switches, self._last)
        return (processes, when, bound, self._crash_is_due, self._time_is_due)

    def state(self) -> dict[str, Any]:
        """What the servers hold, and who has which answer."""
        held = worlds.state_of_servers(self._shares)
        return {**held, "answers": [process.answer for process in self.processes]}

    def verdict(self) -> list[str]:
        """What is wrong at this end. It also sends requests again, as clients do."""
        wrong = list(self._judge_documents())
        answers = [process.answer for process in self.processes]
        wrong += self._judge_order(answers, crashed_is_over=True)
        if self._crashed is not None:
            # Locks and claims of the dead run out. Then the same key gets a definite answer.
            for key in connections.redis().keys("*"):
                is_lock = key.startswith(b"lock:")
                if is_lock or connections.redis().hget(key, "state") == b"in_progress":
                    connections.redis().delete(key)
            wish = self.wishes[self._crashed]
            answer = self._ask(self._crashed, wish)
            # A sweep has no key: the next one is another one.
            is_another = wish.operation == "sweep"
            if not is_another:
                answers[self._crashed] = answer
            if answer[1:2] and answer[1] in TRANSIENT:
                wrong.append(f"no answer after a crash: {wish.label} is told {answer[1]}")
            wrong += self._judge_order(
                answers, crashed_is_over=is_another, then=Ran(wish, answer) if is_another else None
            )
            wrong += self._judge_documents()
        wrong += self._ask_again(answers)
        return wrong

    def close(self) -> None:
        for process in self.processes:
            process.close()

    def _ask(self, number: int, wish: Wish) -> Answer:
        answer, self._bodies[number] = worlds.ask(wish)
        return answer

    def _judge_documents(self) -> list[str]:
        wrong = []
        sold: dict[str, str] = {}
        by_key: dict[str, str] = {}
        for document in worlds.stored():
            name = worlds.names.label(document["keys"][0]["digest"])
            try:
                check_fields_agree(document)
            except AssertionError as error:
                wrong.append(f"the fields of {name} do not agree: {error}")
            if document["status"] in ("pending", "confirmed"):
                for slot in document["slots"]:
                    if slot in sold:
                        wrong.append(f"sold twice: {slot} to {sold[slot]} and {name}")
                    sold[slot] = name
            for key in document["keys"]:
                if key["digest"] in by_key:
                    wrong.append(f"two bookings for the key {worlds.names.label(key['digest'])}")
                by_key[key["digest"]] = name
            if (document["version"] > 1) != (document["updated_at"] > document["created_at"]):
                wrong.append(f"{name} changed without a new version and time")
        return wrong

    def _judge_order(
        self, answers: Sequence[Answer | None], *, crashed_is_over: bool, then: Ran | None = None
    ) -> list[str]:
        """Compares the answers and what is stored with every order of the model. `then` is a
        request that was sent once all others had ended."""
        stored = {name: _told_nothing(stay) for name, stay in self._stays().items()}
        ran = []
        for number, (wish, answer) in enumerate(zip(self.wishes, answers, strict=True)):
            after = self._after.get(number, frozenset())
            if not crashed_is_over:
                after -= {self._crashed}
            others = set(range(len(self.wishes))) - {number}
            came_before = {n for n in others if n in after}
            came_after = {n for n in others if number in self._after.get(n, ())}
            is_alone = others == came_before | came_after and self._crashed is None
            ran.append(Ran(wish, answer, after, is_alone))
        if self._time_after is not None:
            ran.append(Ran(Wish("time", "time"), (), self._time_after))
        if then:
            ran.append(dataclasses.replace(then, after=frozenset(range(len(ran)))))
        for world in explanations(self.begin, ran):
            if {name: _told_nothing(stay) for name, stay in world.items()} == stored:
                return []
        told = ", ".join(f"{w.label}: {a}" for w, a in zip(self.wishes, answers, strict=True))
        return [f"no order explains {told}, with {sorted(map(str, stored.values()))}"]

    def _stays(self) -> dict[str, Any]:
        return {stay.name: stay for stay in self.state()["bookings"]}

    def _ask_again(self, answers: Sequence[Answer | None]) -> list[str]:
        """Sends every request whose answer is kept once more, with its key."""
        wrong, before = [], self.state()["bookings"]
        for number, (wish, answer) in enumerate(zip(self.wishes, answers, strict=True)):
            if answer is None or not is_kept(wish, answer):
                continue
            body = self._bodies[number]
            if self._ask(number, wish) != answer or self._bodies[number] != body:
                wrong.append(f"two answers for {wish.label}")
        if self.state()["bookings"] != before:
            wrong.append("a request that was sent again acted again")
        return wrong


def _told_nothing(stay: Any) -> Any:
    return dataclasses.replace(stay, told=None)

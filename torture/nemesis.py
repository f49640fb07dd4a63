"""What breaks when: a schedule that a seed repeats, and the one who keeps it."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from torture.faults import Fault, Phases
from torture.stack import Stack

# No fault begins later than this before a round's end.
LAST_S = 5.0
CALM_AT_START_S = 5.0
MOST_AT_ONCE = 3


@dataclass(frozen=True)
class Planned:
    """One fault of the schedule; times are seconds from the start of its round."""

    round: int
    begins_s: float
    lasts_s: float
    fault: Fault
    seed: int

    @property
    def ends_s(self) -> float:
        return self.begins_s + self.lasts_s


def make_schedule(seed: int, rounds: int, faults: list[Fault], round_s: float) -> list[Planned]:
    """The faults of a run, in their order. The same arguments give the same schedule.

    Every fault comes once before any comes again, and none outlasts its round. One that needs more
    time than is left waits for the next round; one that needs more than any round has is cut short.
    """
    dice = random.Random(seed)
    schedule: list[Planned] = []
    waiting: list[Fault] = []
    for number in range(rounds if faults else 0):
        at_s = CALM_AT_START_S
        mine: list[Planned] = []
        while at_s < round_s - LAST_S:
            if not waiting:
                waiting = dice.sample(faults, len(faults))
            open_now = [each for each in mine if each.ends_s > at_s]
            touched = frozenset[str]().union(*(each.fault.touches for each in open_now))
            left_s = round_s - at_s
            free = [
                each
                for each in waiting
                if not each.touches & touched
                and (each.least_s <= left_s or each.least_s > round_s - CALM_AT_START_S)
            ]
            if free and len(open_now) < MOST_AT_ONCE:
                chosen = free[0]
                waiting.remove(chosen)
                lasts_s = dice.uniform(chosen.least_s, chosen.most_s)
                lasts_s = min(lasts_s, left_s)
                planned = Planned(number, at_s, lasts_s, chosen, dice.randrange(2**32))
                mine.append(planned)
                schedule.append(planned)
            at_s += dice.uniform(1.0, 6.0)
    return schedule


@dataclass
class Happened:
    """A fault as it happened, with wall times; `problem` is why it could not be had. From
    `broken_s` on it was broken."""

    name: str
    began_s: float
    ended_s: float = 0.0
    problem: str = ""
    broken_s: float = 0.0


@dataclass
class _Open:
    """A fault under way. Its next phase, if it has one, begins at `continues_s` of the round."""

    planned: Planned
    phases: Phases
    noted: Happened
    continues_s: float = math.inf


@dataclass
class Nemesis:
    """Keeps the schedule, one round after the other, on the main thread: it starts children."""

    stack: Stack
    schedule: list[Planned]
    happened: list[Happened] = field(default_factory=list)
    _open: list[_Open] = field(default_factory=list)

    def keep_round(self, number: int, length_s: float, meanwhile: Callable[[], None]) -> None:
        """Breaks and heals as planned, until the round is over and every fault has ended.

        `meanwhile` is called several times a second.
        """
        began_s = time.monotonic()
        todo = [each for each in self.schedule if each.round == number]
        while True:
            at_s = time.monotonic() - began_s
            for each in list(self._open):
                if each.planned.ends_s <= at_s:
                    self._open.remove(each)
                    self._end(each)
                elif each.continues_s <= at_s:
                    self._continue(each, at_s)
            for planned in [each for each in todo if each.begins_s <= at_s]:
                todo.remove(planned)
                self._open.append(self._begin(planned, at_s))
            if at_s >= length_s and not self._open and not todo:
                return
            meanwhile()
            time.sleep(0.05)

    def end_all(self) -> None:
        """Ends what still lasts, such as when the run is stopped."""
        while self._open:
            self._end(self._open.pop())

    def _begin(self, planned: Planned, at_s: float) -> _Open:
        noted = Happened(planned.fault.name, time.time(), problem=planned.fault.missing(self.stack))
        self.happened.append(noted)
        begun = _Open(planned, planned.fault.run(self.stack, random.Random(planned.seed)), noted)
        if noted.problem:
            begun.phases.close()
        elif not self._continue(begun, at_s) and not noted.problem:
            noted.problem = "found nothing to break"
        noted.broken_s = time.time()
        return begun

    def _continue(self, each: _Open, at_s: float) -> bool:
        """Runs the fault's next phase. Returns whether there was one before its end."""
        each.continues_s = math.inf
        try:
            pause_s = next(each.phases)
        except StopIteration as end:
            each.noted.problem = end.value or each.noted.problem
            return False
        except Exception as error:
            # What it had broken was put right on the way out. The others go on.
            each.noted.problem = f"failed: {type(error).__name__}: {error}"
            return False
        if pause_s is not None:
            each.continues_s = at_s + pause_s
        return True

    def _end(self, each: _Open) -> None:
        """Runs all phases that are left at once."""
        while self._continue(each, math.inf):
            pass
        each.noted.ended_s = time.time()

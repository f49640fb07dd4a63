"""One run from its first process to its report."""

from __future__ import annotations

import random
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

from tests.sweeper import sweep_when_killed
from torture import world
from torture.clients.desk import Desk
from torture.clients.guest import Guest
from torture.clients.partner import Partner
from torture.clients.sending import Gate
from torture.faults import choose
from torture.guards import find
from torture.history import OUTCOMES, History
from torture.judging import invariants
from torture.judging.judge import Judge
from torture.judging.violations import Violation, smallest
from torture.nemesis import Happened, Nemesis, make_schedule
from torture.options import REPORTS, BadOption, Options
from torture.report import PastRound, Report, write_report
from torture.report.figures import definite_s
from torture.stack import NotStarted, Stack
from torture.watching import Watcher

# MongoDB waits for its files at each write, which is half of the time of a write.
IN_MEMORY = Path("/dev/shm")
NEEDED_BYTES = 3_000_000_000

# How long the operations of a round may take to become final once its last fault has ended.
DEFINITE_WITHIN_S = 15.0
# When clients are given up on: far beyond that, to see how long it takes.
SETTLE_S = 60.0

SAY_EVERY_S = 10.0


class Stopped(BaseException):
    """The run was asked to stop; what happened until then is still judged and reported."""


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class Run:
    """A stack, its clients, and who breaks and who judges it."""

    def __init__(self, options: Options, work: Path) -> None:
        self.options = options
        self.stack = Stack(replace(options, folder=work))
        self.history = History()
        self.gate = Gate()
        self.clients: list[Partner | Guest | Desk] = []
        self.violations: list[Violation] = []
        self.past: list[PastRound] = []
        self.rounds = max(1, round(options.minutes * 60 / options.round_s))
        self.round_s = min(options.round_s, options.minutes * 60 / self.rounds)
        chosen = choose(options.faults)
        missing = {each.name: why for each in chosen if (why := each.missing(self.stack))}
        faults = [each for each in chosen if each.name not in missing]
        self.nemesis = Nemesis(
            self.stack, make_schedule(options.seed, self.rounds, faults, self.round_s)
        )
        for name, why in missing.items():
            self.nemesis.happened.append(Happened(name, 0.0, ended_s=0.001, problem=why))
        self.began_s = 0.0
        self._opened_s = 0.0
        self.was_stopped = False
        self._said_at_s = 0.0
        self.is_stopping = False

    # --- The run --------------------------------------------------------------------------------

    def go(self) -> Report:
        """Runs to the end, or until Ctrl-C; everything it started is gone afterwards."""
        for signal_number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(signal_number, self._on_signal)
        try:
            say(f"Seed {self.options.seed}: starting the site ...")
            self.stack.start()
            self.watcher = Watcher(self.stack)
            self.judge = Judge(self.stack, self.history, self.watcher, self.nemesis.happened)
            self.began_s = time.time()
            self._start_clients()
            try:
                for number in range(self.rounds):
                    self._round(number)
                    if self.violations:
                        break
            except Stopped:
                self.was_stopped = True
                say("Stopping; what happened until now is still judged ...")
                self._end_round()
            self.violations += self._new(self.judge.at_the_end(self.clients))
        finally:
            self.gate.end()
            self.stack.close()
        return self._report()

    def _round(self, number: int) -> None:
        self._opened_s = self._said_at_s = time.time()
        self.gate.open()
        self.nemesis.keep_round(number, self.round_s, self._meanwhile)
        self._end_round()
        say(f"Round {number + 1} of {self.rounds} is judged: {self._so_far()}")

    def _end_round(self) -> None:
        """Heals, waits until every operation is final, judges, and notes when each was done."""
        self.nemesis.end_all()
        calm_s = time.time()
        found = []
        try:
            self.stack.heal()
        except NotStarted as error:
            found.append(Violation(invariants.COMES_BACK, str(error)))
        paused_s = time.time()
        self._settle()
        final_s = time.time()
        found = self._new(found + self.judge.at_a_quiet_moment(self.clients))
        self.violations += found
        for invariant, (times_broken, violation) in smallest(found).items():
            say(f"VIOLATION, {times_broken} times: {invariant}\n{violation.story}")
        times = (self._opened_s, calm_s, paused_s, final_s, time.time())
        self.past.append(PastRound(*times, violations=found))

    def _new(self, found: list[Violation]) -> list[Violation]:
        """Those that no earlier moment has found."""
        known = {(each.invariant, each.story) for each in self.violations}
        return [each for each in found if (each.invariant, each.story) not in known]

    def _settle(self) -> None:
        """Waits until every operation is final."""
        self.gate.close()
        while not self.gate.is_empty:
            time.sleep(0.02)
        threads = [threading.Thread(target=self._finish, args=(each,)) for each in self.clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _finish(self, client: Any) -> None:
        until_s = time.monotonic() + SETTLE_S
        try:
            while client.sending.open and time.monotonic() < until_s:
                client.sending.insist(client.sending.open[0])
        except Exception:
            self._miss(client)

    def _start_clients(self) -> None:
        guests, desks = count_people(self.options.clients)
        dice = random.Random(self.options.seed)
        for number in range(self.options.clients - guests - desks):
            self.clients.append(self._make_partner(number, random.Random(dice.random())))
        for number in range(guests):
            self.clients.append(self._make_guest(number, random.Random(dice.random())))
        for number in range(desks):
            self.clients.append(self._make_desk(number, random.Random(dice.random())))
        for client in self.clients:
            threading.Thread(
                target=self._live, args=(client,), name=client.name, daemon=True
            ).start()

    def _live(self, client: Partner | Guest | Desk) -> None:
        """Lets a client work. One that fails must not be missed: nothing would be asked for."""
        try:
            client.sending.live(self.gate, client.act)
        except Exception:
            self._miss(client)

    def _miss(self, client: Partner | Guest | Desk) -> None:
        story = f"{client.name}:\n{traceback.format_exc()}"
        self.violations.append(Violation(invariants.NO_CLIENT_FAILS, story))

    def _make_partner(self, number: int, dice: random.Random) -> Partner:
        prepared, partner = self.stack.prepared, number % world.PARTNERS
        return Partner(
            name=f"partner {number}",
            caller=f"client:{prepared.client_ids[partner]}",
            token=prepared.tokens[partner],
            hotel=world.BOUND.get(partner),
            ports=self._web_ports,
            history=self.history,
            dice=dice,
            keys_begin=f"key-{number // world.PARTNERS}",
        )

    def _make_guest(self, number: int, dice: random.Random) -> Guest:
        """Every other one has an account."""
        prepared = self.stack.prepared
        account = f"guest{number // 2 % 3 + 1}" if number % 2 == 0 else ""
        return Guest(
            name=f"guest {number}",
            log_in=prepared.sessions[account].pop if account else None,
            caller=f"user:{prepared.user_ids[account]}" if account else "",
            ports=self._web_ports,
            history=self.history,
            dice=dice,
            secrets=lambda: self.stack.secret_keys,
        )

    def _make_desk(self, number: int, dice: random.Random) -> Desk:
        return Desk(
            name=f"desk {number}",
            log_in=self.stack.prepared.sessions["desk"].pop,
            caller=f"user:{self.stack.prepared.user_ids['desk']}",
            ports=self._web_ports,
            history=self.history,
            dice=dice,
            secrets=lambda: self.stack.secret_keys,
        )

    @property
    def _web_ports(self) -> tuple[int, ...]:
        return self.stack.ports["web_a"], self.stack.ports["web_b"]

    # --- What it says ---------------------------------------------------------------------------

    def _meanwhile(self) -> None:
        if self.is_stopping:
            raise Stopped
        if time.time() - self._said_at_s > SAY_EVERY_S:
            say(f"{self._so_far()}, {self._lately()}")

    def _so_far(self) -> str:
        operations = len(self.history.all())
        minutes, seconds = divmod(int(time.time() - self.began_s), 60)
        return f"{minutes}:{seconds:02} {operations} operations, {len(self.violations)} violations"

    def _lately(self) -> str:
        """What happened since this was said last."""
        now_s, since_s = time.time(), self._said_at_s
        self._said_at_s = now_s
        ends_s = (each.ended_s for each in self.history.all() if each.outcome == "ok")
        successes = sum(since_s <= each < now_s for each in ends_s)
        open_now = sum(len(each.sending.open) for each in self.clients)
        broken = ", ".join(each.name for each in self.nemesis.happened if not each.ended_s)
        return (
            f"{successes / (now_s - since_s):.1f} successes/s, {open_now} open, "
            f"broken: {broken or 'nothing'}"
        )

    def tell_kinds(self) -> str:
        """How the operations of each kind ended: one that hardly succeeds checks nothing."""
        counts = Counter(
            (each.client.partition(" ")[0], each.kind, each.outcome) for each in self.history.all()
        )
        return "\n".join(
            f"{who:8} {kind:10} "
            + ", ".join(f"{counts[who, kind, outcome]} {outcome}" for outcome in OUTCOMES)
            for who, kind in sorted({(who, kind) for who, kind, _ in counts})
        )

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        """Before the clients work, there is nothing to judge. A second Ctrl-C judges nothing."""
        if self.is_stopping or not self.began_s:
            raise Stopped
        self.is_stopping = True

    def _report(self) -> Report:
        report = Report(
            options=self.options,
            began_s=self.began_s,
            ended_s=time.time(),
            was_stopped=self.was_stopped,
            operations=self.history.all(),
            faults=self.nemesis.happened,
            violations=self.violations,
            rounds=self.past,
            counts=self.judge.counts,
        )
        for number, late_s in enumerate(definite_s(report), start=1):
            if late_s > DEFINITE_WITHIN_S:
                story = f"In round {number} the last one was definite after {late_s:.1f} s."
                self.violations.append(Violation(invariants.DEFINITE, story))
        return report


def count_people(clients: int) -> tuple[int, int]:
    """How many of the clients are guests, and how many are desks; the others are partners."""
    return clients // 4, round(clients * 0.15) if clients > 3 else 0


def run(options: Options) -> int:
    """Runs, writes the report, and returns the exit status: 1 if something was violated.

    Raises BadOption, UnknownFault or UnknownGuard before anything is started, and NotStarted.
    """
    find(options.without)
    try:
        options.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=options.folder):
            pass
    except OSError as error:
        raise BadOption(
            f"Set OUT to a folder that can be written, not {options.folder} ({error.strerror})."
        ) from error
    work = Path(tempfile.mkdtemp(prefix="bookingsite-torture-", dir=_quickest_place()))
    remove_work = sweep_when_killed(work)
    try:
        whole = Run(options, work)
        report = whole.go()
    except Stopped:
        say("Stopped; nothing was judged.")
        return 130
    except NotStarted as error:
        raise NotStarted(str(error).replace(str(work), str(options.folder))) from error
    else:
        say(write_report(report, options.folder))
        whole.history.write(options.folder / "operations.jsonl")
    finally:
        keep_logs(work / "logs", options.folder)
        remove_work()
    say(whole.tell_kinds())
    say(f"Report: {options.folder / 'report.md'}")
    return 1 if report.violations else 0


def keep_logs(logs: Path, folder: Path) -> None:
    """Copies a run's logs into the folder of its report. Those of an earlier run are removed first.

    OUT may be any folder, and one that is not for reports may have logs of something else.
    """
    if not any(logs.iterdir()):
        return  # nothing was started
    if REPORTS in folder.resolve().parents:
        shutil.rmtree(folder / "logs", ignore_errors=True)
    shutil.copytree(logs, folder / "logs", dirs_exist_ok=True)


def _quickest_place() -> Path | None:
    try:
        return IN_MEMORY if shutil.disk_usage(IN_MEMORY).free > NEEDED_BYTES else None
    except OSError:
        return None

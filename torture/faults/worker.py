"""Faults of worker and beat."""

from __future__ import annotations

import random

from torture.faults import Phases, fault
from torture.stack import Stack


@fault("worker", lasts_s=(3, 12), touches=("worker",))
def worker_killed(stack: Stack, _: random.Random) -> Phases:
    """The worker dies in the middle of its tasks, and is started again later."""
    try:
        stack.worker.kill()
        yield None
    finally:
        stack.start_again("worker")
    return None


@fault("worker", lasts_s=(16, 35), touches=("worker",))
def worker_stopped(stack: Stack, _: random.Random) -> Phases:
    """The worker stands still for longer than its tasks' locks, and goes on with them."""
    try:
        stack.worker.freeze()
        yield None
    finally:
        stack.worker.thaw()
    return None


@fault("worker", lasts_s=(8, 20), touches=("worker",))
def worker_doubled(stack: Stack, _: random.Random) -> Phases:
    """A second worker runs beside the first one, and dies."""
    second = stack.start_worker("worker2")
    try:
        yield None
    finally:
        stack.end(second)
    return None


@fault("worker", lasts_s=(3, 12), touches=("beat",))
def beat_killed(stack: Stack, _: random.Random) -> Phases:
    """Beat dies, and is started again later."""
    try:
        stack.beat.kill()
        yield None
    finally:
        stack.start_again("beat")
    return None


@fault("worker", lasts_s=(8, 20), touches=("beat",))
def beat_doubled(stack: Stack, _: random.Random) -> Phases:
    """A second beat runs beside the first one: each task is sent twice."""
    second = stack.start_beat("beat2")
    try:
        yield None
    finally:
        stack.end(second)
    return None

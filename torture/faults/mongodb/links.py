"""Members that some cannot reach, and answers that get lost or come late."""

from __future__ import annotations

import random
from collections.abc import Callable

from local.servers import Server
from torture.faults import Phases, fault
from torture.faults.mongodb.healing import NO_PRIMARY, find_primary, healed, others
from torture.proxies import SITE
from torture.stack import Stack


def _on_primary(stack: Stack, change: Callable[[Server], None]) -> Phases:
    with healed(stack):
        primary = yield from find_primary(stack)
        if primary is None:
            return NO_PRIMARY
        change(primary)
        yield None
    return None


def _cut_from_members(stack: Stack, member: Server) -> None:
    rest = others(stack, member)
    stack.set_link(member.name, "cut", of=tuple(each.name for each in rest))
    for each in rest:
        stack.set_link(each.name, "cut", of=(member.name,))


@fault("mongodb", lasts_s=(2, 10), touches=("mongodb",))
def primary_cut_from_site(stack: Stack, _: random.Random) -> Phases:
    """The site cannot reach the primary, which the other members see well, so it stays primary."""
    return _on_primary(stack, lambda primary: stack.set_link(primary.name, "cut", of=(SITE,)))


@fault("mongodb", lasts_s=(2, 25), touches=("mongodb",))
def primary_cut_off(stack: Stack, _: random.Random) -> Phases:
    """No one reaches the primary, and it reaches no one; the others elect another."""

    def cut(primary: Server) -> None:
        _cut_from_members(stack, primary)
        stack.set_link(primary.name, "cut", of=(SITE,))

    return _on_primary(stack, cut)


@fault("mongodb", lasts_s=(2, 25), touches=("mongodb",))
def primary_stale(stack: Stack, _: random.Random) -> Phases:
    """The primary is cut off from the other members only. Until it notices, it takes writes that no
    majority gets, and the site goes on to reach it when the others have elected another."""
    return _on_primary(stack, lambda primary: _cut_from_members(stack, primary))


@fault("mongodb", lasts_s=(2, 10), touches=("mongodb",))
def answers_lost(stack: Stack, dice: random.Random) -> Phases:
    """Some of the primary's answers get lost, and their connections end: what was asked is done."""
    share = dice.choice((0.02, 0.1, 0.5))
    return _on_primary(
        stack, lambda primary: stack.set_link(primary.name, "lose", of=(SITE,), share=share)
    )


@fault("mongodb", lasts_s=(2, 8), touches=("mongodb",))
def answers_late(stack: Stack, dice: random.Random) -> Phases:
    """Everything between the site and the primary takes its time."""
    delay_s = dice.uniform(0.02, 1.5)
    return _on_primary(
        stack, lambda primary: stack.set_link(primary.name, "slow", of=(SITE,), delay_s=delay_s)
    )


@fault("mongodb", lasts_s=(2, 10), touches=("mongodb",))
def members_late(stack: Stack, dice: random.Random) -> Phases:
    """The members hear late of each other, so every acknowledged write takes its time."""
    delay_s = dice.uniform(0.05, 0.6)
    with healed(stack):
        for member in stack.members:
            names = tuple(each.name for each in stack.members)
            stack.set_link(member.name, "slow", of=names, delay_s=delay_s)
        yield None
    return None

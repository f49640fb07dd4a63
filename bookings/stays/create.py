"""Making a booking: `create_booking` takes `POST /api/bookings` from key to answer.

docs/sequence.md shows why the result is right when processes crash or rivals meet.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import translation

from bookings.availability import occupancy, offers
from bookings.availability.assignment import GAP_LOOK_NIGHTS, choose_rooms
from bookings.availability.offers import Offer
from bookings.availability.stock import Taken
from bookings.domain.booking import (
    CONFIRMED,
    PENDING,
    BookedRoom,
    Booking,
    Change,
    Draft,
    Key,
    Price,
    common_category,
    new_id,
    new_reference,
    slots_of,
)
from bookings.domain.callers import Caller
from bookings.domain.stay_request import StayRequest, judge_payload
from bookings.infrastructure import clock, metrics
from bookings.infrastructure.deadlines import Deadline
from bookings.infrastructure.opening import Opening
from bookings.infrastructure.step_timing import Steps
from bookings.points import reached
from bookings.refusals import (
    AlreadyBooked,
    EmailNeeded,
    PermissionDenied,
    PriceChanged,
    Refusal,
    ResourceLocked,
    SoldOut,
    TooManyHolds,
    TooManyNightsHeld,
    ValidationFailed,
)
from bookings.stays import answers, kept_answers, lately_sold, refused_holds, rivals
from bookings.stays.hold_limits import CROWDED_HOLD, limits_of
from bookings.stays.outcomes import (
    POLICY,
    Outcome,
    answer_with,
    claim_key,
    read_key,
    refuse,
    replay,
)
from bookings.stays.slot_locks import (
    check_held,
    lock_slots,
    names_of,
    release,
    release_in_batch,
    room_of,
)
from bookings.stays.writing import new_bookings
from idempotency import keys
from idempotency.claims import Answer, Claim
from locks import Lock, LockBusy

logger = logging.getLogger(__name__)


def create_booking(
    *,
    caller: Caller,
    key_header: str | None,
    read_payload: Callable[[], Any],
    deadline: Deadline,
    owner: Caller | None = None,
    as_staff: bool = False,
    may_reprice: bool = False,
    shown_in: str | None = None,
    remote_address: str | None = None,
    mailbox_digest: str | None = None,
    opening: Opening | None = None,
) -> Outcome:
    """Books or holds rooms for a stay, at most once for each caller and key.

    Returns the Outcome: 201, or a refusal that was found after the claim. Raises a Refusal if the
    key itself is wrong, IdempotencyInProgress while another request holds the key's claim, and
    TryAgain or a driver's error if the booking may or may not have been made.

    `read_payload` returns the received JSON or raises a Refusal. If the client sent a key, it is
    called only after the claim: a completed key is replayed, whatever body came with it. `owner` is
    the person for whom staff book. With `as_staff` no limit on holds applies, and the night that
    has begun can be sold until the hotel's end of day. With `may_reprice` the payload may have an
    `agreedPrice`, at which the stay is sold instead of the calendar's price. With `shown_in`, the
    currency of a form, the stay is sold at no other price than one that the form showed: without a
    total in this currency the outcome is PriceChanged. `remote_address` is the visitor's, as
    `remote_address_of` returns it. `mailbox_digest` stands for an e-mail address
    that the visitor has confirmed. `opening` is what else the request asks Redis; the claim takes
    it along.
    """
    steps = Steps("create")

    # 1. Resolve the key. If there is none, derive it from the body, which is then judged first.
    key = read_key(key_header)
    if key is None:
        asked = judge_payload(read_payload(), may_reprice=may_reprice)
        key = keys.make_key(str(caller), asked.user_id, asked.booked)
    digest = keys.digest_of(caller=str(caller), operation="create", target="", key=key)

    # 2. Claim it. If the key has its answer already, replay that.
    is_server_made = keys.is_server_made(key)
    recover = kept_answers.find_valid_answer if is_server_made else kept_answers.find_answer
    with claim_key(digest, recover=recover, steps=steps, opening=opening) as claim:
        if claim.replay:
            return replay(claim.replay, key, read_payload, steps)
        reached("after_claim")
        lock: Lock | None = None
        try:
            # 3. Judge the body. Together with the caller it makes a draft.
            payload = read_payload()
            request = judge_payload(payload, may_reprice=may_reprice)
            draft = _draft(request, caller, owner or caller, digest)
            is_limited = draft.request.hold and not as_staff

            is_crowded = False
            lost: tuple[BookedRoom, ...] | None = None
            over: Booking | None = None
            while True:
                # 4. Quote, choose free rooms and lock their slots. The stay is sold at the price
                #    that the calendar has now, or at the one that staff agreed with the guest. A
                #    lock saves rivals a wasted write; it decides nothing.
                offer = _quote(draft, caller, at_desk=as_staff, shown_in=shown_in)
                limits = None
                if is_limited:
                    limits = limits_of(
                        owner=draft.owner,
                        crowd_percent=offer.hotel.anonymous_hold_percent,
                        remote_address=remote_address,
                        mailbox_digest=mailbox_digest,
                        is_confirmed=is_crowded,
                    )
                deadline.check()
                with steps.timed("lock"):
                    rooms, lock, again = _lock_rooms(draft, offer, deadline)
                reached("after_lock")
                _check_sold(draft, offer)

                # 5. Write. Two unique indexes find a rival for a slot and a twin of the key.
                booking = _make_booking(draft, offer, rooms, is_crowded=is_crowded)
                made = _make_key(booking, key, digest, payload)
                deadline.check()
                check_held(lock)
                try:
                    with steps.timed("txn"):
                        written = new_bookings.write_booking(
                            booking,
                            key=made,
                            limits=limits,
                            answer_for=lambda hold, now: _answer_hold(
                                hold, draft, key, now, shown_in=shown_in
                            ),
                            only_as=again,
                        )
                    lately_sold.note(names_of(offer.hotel.id, booking.slots))
                    break
                except new_bookings.QuoteIsOver as error:
                    # The booking that supplied rooms or price has ended or changed, so quote the
                    # request again. If the same booking comes back, more tries will not help.
                    if again == over:
                        raise ResourceLocked from error
                    over = again
                except AlreadyBooked:
                    # A rival was quicker; another room may be free. If the same rooms are chosen
                    # again, no rival is the cause.
                    lately_sold.note(names_of(offer.hotel.id, booking.slots))
                    if not offer.is_by_category or rooms == lost:
                        raise
                    lost = rooms
                except (TooManyHolds, TooManyNightsHeld):
                    refused_holds.note(offer.hotel.id)
                    raise
                except EmailNeeded:
                    # A guest with a confirmed address may hold here, for a shorter time.
                    if mailbox_digest is None:
                        metrics.holds_refused.labels("crowd").inc()
                        refused_holds.note(offer.hotel.id)
                        raise
                    is_crowded = True
                release(lock)
                lock = None
            reached("after_commit")

        # 6. Finish: store the answer and release the lock, in one batch. A success is in the
        #    booking already and cannot change; a refusal is final once it is stored.
        except Refusal as refusal:
            if refusal.is_definite and rivals.has_hold_elsewhere(draft, hotel=offer.hotel.id):
                # The guest is logging in. Sent again with this key, the request finds the hold.
                refusal.is_definite = False
            also = release_in_batch(lock)
            outcome = refuse(claim, refusal, key, steps, also=also, read_payload=read_payload)
        else:
            outcome = _succeed(claim, written, key, steps, lock, read_payload)
        finally:
            # Runs whatever was raised, also while settling. What the batch released is left alone.
            release(lock)
    reached("before_answer")
    return outcome


# --- The steps of create_booking ------------------------------------------------------------


def _draft(request: StayRequest, caller: Caller, owner: Caller, digest: str) -> Draft:
    """The request together with its caller and owner. Raises PermissionDenied."""
    now = clock.now()
    return Draft(
        id=new_id(now),
        digest=digest,
        caller=str(caller),
        owner=str(owner),
        was_guest=owner.guest,
        user_id=_judge_user(request, caller, owner),
        request=request,
        created_at=now,
        language=translation.get_language() or settings.LANGUAGE_CODE,
    )


def _judge_user(request: StayRequest, caller: Caller, owner: Caller) -> str:
    """The id of the person who will stay: the owner's own, or one that a partner chose for its
    guest. Raises PermissionDenied."""
    if request.user_id is None or request.user_id == caller.id:
        return owner.id
    if caller.kind == "client" and caller.may_act_for_others:
        return request.user_id
    raise PermissionDenied("You may book only for yourself; leave userId out.")


def _quote(draft: Draft, caller: Caller, *, at_desk: bool, shown_in: str | None) -> Offer:
    """The price of the stay, and the rooms that could serve it.

    Raises ValidationFailed, or PriceChanged if the request quotes another total. An owner may
    come back to a hold at its price, whatever the calendar sells now. Such an offer is valid for
    that hold only, and only while the hold does not change.
    """
    request = draft.request
    try:
        offer = offers.find_offer(request, at_desk=at_desk, hotels=caller.hotels)
        if request.agreed:
            offer = offers.at_agreed_price(offer, request.agreed)
        _check_quote(request, offer.price, shown_in)
    except (ValidationFailed, PriceChanged):
        hold = rivals.find_own_hold(draft) if request.hold else None
        if hold is None or not caller.may_know(hold.hotel):
            raise
        if not _is_wanted_at(hold.price, request, shown_in):
            raise
        offer = offers.offer_again(hold)
    return offer


def _check_quote(request: StayRequest, price: Price, shown_in: str | None) -> None:
    if not _is_wanted_at(price, request, shown_in):
        raise PriceChanged(
            f"The price is now {price.total} {price.currency} in minor units; "
            "send it as quotedTotal if you agree."
        )


def _is_wanted_at(price: Price, request: StayRequest, shown_in: str | None) -> bool:
    """Whether the caller agrees to this price."""
    if request.asked_total is None:
        return shown_in is None
    currency = request.agreed.currency if request.agreed else shown_in
    return request.asked_total == price.total and currency in (None, price.currency)


def _check_sold(draft: Draft, offer: Offer) -> None:
    """Raises AlreadyBooked if a slot was sold a moment ago and still is.

    This spares most of many rivals a write that fails. Where there is a choice of rooms, it is made
    among free ones anyway.
    """
    if offer.is_by_category or offer.again:
        return
    request, hotel = draft.request, offer.hotel.id
    slots = slots_of(_named_rooms(offer), request.check_in, request.check_out)
    names = names_of(hotel, slots)
    if lately_sold.any_of(names) and rivals.are_sold(slots, hotel=hotel, draft=draft):
        lately_sold.note(names)
        metrics.conflicts.labels("sold").inc()
        raise AlreadyBooked


def _named_rooms(offer: Offer) -> tuple[BookedRoom, ...]:
    """The rooms of an offer that leaves no choice."""
    return tuple(
        BookedRoom(wanted.candidates[0].id, wanted.category, wanted.guests)
        for wanted in offer.wanted
    )


def _lock_rooms(
    draft: Draft, offer: Offer, deadline: Deadline
) -> tuple[tuple[BookedRoom, ...], Lock | None, Booking | None]:
    """Returns rooms for the stay, the lock on all their slots, and the booking they come from.

    The lock is None if Redis does not answer. The booking is None if the rooms are free; otherwise
    they are those of the owner's own booking. Rooms that rivals have locked are passed over while
    there are others. Raises SoldOut, or ResourceLocked if only locks are in the way.
    """
    request = draft.request
    if not offer.is_by_category:
        rooms = _named_rooms(offer)
        try:
            return rooms, lock_slots(offer.hotel.id, _slots_of(rooms, request)), offer.again
        except LockBusy as error:
            raise ResourceLocked from error
    stay = _name_of_stay(draft, offer)
    taken = _taken_nights(draft, offer, is_sold_out_lately=lately_sold.any_of([stay]))
    locked: set[str] = set()
    while True:
        deadline.check()
        again = None
        try:
            rooms = choose_rooms(
                offer.wanted, taken, request.check_in, request.check_out, locked=locked
            )
        except SoldOut:
            # This key may have booked the last room, or the owner may hold it.
            again = rivals.find_own_stay(draft)
            if again is None:
                lately_sold.note([stay])
                raise
            if not locked.isdisjoint(again.room_ids):
                raise ResourceLocked from None
            rooms = again.rooms
        try:
            return rooms, lock_slots(offer.hotel.id, _slots_of(rooms, request)), again
        except LockBusy as busy:
            locked.add(room_of(busy))


def _taken_nights(draft: Draft, offer: Offer, *, is_sold_out_lately: bool) -> Taken:
    """The nights on which the hotel's rooms are taken, with those around the stay, for its gaps.

    A stay that was sold out a moment ago has its own nights read first. If it still is, there is
    nothing to choose. The nights around would be many times as much to read, in a crowd for each.
    """
    check_in, check_out = draft.request.check_in, draft.request.check_out
    if is_sold_out_lately:
        taken = occupancy.taken_nights(offer.hotel.id, check_in, check_out)
        try:
            choose_rooms(offer.wanted, taken, check_in, check_out, locked=frozenset())
        except SoldOut:
            return taken
    around = timedelta(days=GAP_LOOK_NIGHTS)
    return occupancy.taken_nights(offer.hotel.id, check_in - around, check_out + around)


def _name_of_stay(draft: Draft, offer: Offer) -> str:
    """Names nights in categories as `lately_sold` knows them; slots have names of another form."""
    categories = ",".join(sorted(wanted.category for wanted in offer.wanted))
    return f"{offer.hotel.id}|{draft.request.check_in}|{draft.request.check_out}|{categories}"


def _slots_of(rooms: tuple[BookedRoom, ...], request: StayRequest) -> list[str]:
    return slots_of(rooms, request.check_in, request.check_out)


def _make_booking(
    draft: Draft, offer: Offer, rooms: tuple[BookedRoom, ...], *, is_crowded: bool
) -> Booking:
    """The draft's booking in these rooms, at the offer's hotel and price."""
    request, hotel, now = draft.request, offer.hotel, draft.created_at
    hold_length = CROWDED_HOLD if is_crowded else hotel.hold_length
    return Booking(
        id=draft.id,
        reference=new_reference(hotel.code),
        caller=draft.caller,
        owner=draft.owner,
        user_id=draft.user_id,
        hotel=hotel.id,
        category=common_category(rooms),
        rooms=rooms,
        check_in=request.check_in,
        check_out=request.check_out,
        guests=request.guests,
        guest=request.guest,
        notes=request.notes,
        price=offer.price,
        status=PENDING if request.hold else CONFIRMED,
        expires_at=now + hold_length if request.hold else None,
        created_at=now,
        updated_at=now,
        history=(
            Change(
                at=now,
                event="created",
                actor=draft.caller,
                key=draft.digest,
                reason=request.agreed.reason if request.agreed else None,
            ),
        ),
        language=draft.language,
        country=hotel.country,
    )


def _make_key(booking: Booking, key: str, digest: str, payload: Any) -> Key:
    """The key that makes the booking, with the answer that acknowledges it."""
    now, message = booking.created_at, answers.message_for(booking)
    answer = answers.success(booking, key=key, message=message, status=201, now=now)
    server_made = keys.is_server_made(key)
    return Key(
        digest=digest,
        made_by="server" if server_made else "client",
        until=now + timedelta(milliseconds=POLICY.derived_ms) if server_made else None,
        fingerprint=keys.fingerprint_of(payload),
        status=answer.status,
        body=answer.body,
    )


def _answer_hold(
    hold: Booking, draft: Draft, key: str, now: datetime, *, shown_in: str | None
) -> Answer:
    """The answer for a hold that the caller has already.

    Raises PriceChanged if the request quotes another total. Staff read in it which hold that is.
    """
    try:
        _check_quote(draft.request, hold.price, shown_in)
    except PriceChanged as refusal:
        if shown_in is not None:
            refusal.booking = answers.describe(hold, now=now)
        raise
    message = "You hold this already; confirm with this Idempotency-Key before expiresAt."
    return answers.success(hold, key=key, message=message, status=201, now=now)


def _succeed(
    claim: Claim,
    written: new_bookings.Written,
    key: str,
    steps: Steps,
    lock: Lock | None,
    read_payload: Callable[[], Any],
) -> Outcome:
    made = written.key
    answer = Answer(status=made.status, body=made.body, fingerprint=made.fingerprint)
    # A server-made key means its booking only while that is active; once it is cancelled, the same
    # request is a new wish. So Redis does not keep the answer, and the booking is asked each time.
    is_server_made = keys.is_server_made(key)
    with steps.timed("finish"):
        claim.succeed(
            answer,
            answer_ttl_ms=POLICY.cache_ms(is_derived=is_server_made, is_durable=True),
            elsewhere=is_server_made,
            also=release_in_batch(lock),
        )
    if written.outcome == "twin":
        return replay(answer, key, read_payload, steps)
    return answer_with(answer, key, steps)

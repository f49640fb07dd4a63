"""Taking rooms out of service for some nights, by the same index that keeps bookings apart."""

from datetime import date

from bookings.catalogue import inventory
from bookings.catalogue.inventory import HotelFacts, RoomFacts
from bookings.domain.booking import (
    BLOCK,
    CONFIRMED,
    BookedRoom,
    Booking,
    Change,
    Key,
    Price,
    common_category,
    new_id,
    new_reference,
)
from bookings.domain.callers import Caller
from bookings.domain.stay_request import MAX_NOTES, MAX_ROOMS, MAX_SLOTS, Guest
from bookings.infrastructure import clock
from bookings.infrastructure.deadlines import Deadline
from bookings.infrastructure.step_timing import Steps
from bookings.infrastructure.texts import BadText, read_lines
from bookings.points import reached
from bookings.refusals import (
    AlreadyBooked,
    Fault,
    InvalidIdempotencyKey,
    Refusal,
    ValidationFailed,
)
from bookings.stays import answers, kept_answers
from bookings.stays.outcomes import (
    POLICY,
    Outcome,
    answer_with,
    claim_key,
    read_key,
    refuse,
)
from bookings.stays.writing import new_bookings
from idempotency import keys
from idempotency.claims import Answer


def block_rooms(
    *,
    actor: Caller,
    room_ids: tuple[str, ...],
    first: date,
    end: date,
    reason: str,
    key_header: str | None,
    deadline: Deadline,
) -> Outcome:
    """For staff: takes rooms of one hotel out of service on the nights in [first, end).

    Blocks all of the rooms or none, and once for each key. If bookings are in the way, the refusal
    ALREADY_BOOKED lists them. `cancel_booking` lifts the block. The Outcome is 201 or a refusal.
    Raises InvalidIdempotencyKey before anything is claimed, IdempotencyInProgress while another
    request works under the key, and a driver's error if the block may or may not have been written.
    """
    # 1. Read the key.
    key = read_key(key_header)
    if key is None:
        raise InvalidIdempotencyKey("Send a new Idempotency-Key for each block.")
    digest = keys.digest_of(caller=str(actor), operation="block", target="", key=key)
    steps = Steps("block")

    # 2. Claim it. If the key has an answer already, send that.
    with claim_key(digest, recover=kept_answers.find_answer, steps=steps) as claim:
        if claim.replay:
            return answer_with(claim.replay, key, steps, replayed=True)
        try:
            # 3. Judge the block.
            block = _make_block(actor, room_ids, first, end, reason, digest)
            made = _make_key(block, key, digest)

            # 4. Write. The index on slots finds bookings in the way.
            deadline.check()
            with steps.timed("txn"):
                try:
                    written = new_bookings.write_booking(block, key=made)
                except AlreadyBooked as error:
                    raise answers.name_in_the_way(block) from error
            reached("after_commit")
        except Refusal as refusal:
            return refuse(claim, refusal, key, steps)

        # 5. Finish: store the answer. The block has it already, and it cannot change.
        answer = Answer(status=written.key.status, body=written.key.body)
        claim.succeed(answer, answer_ttl_ms=POLICY.cached_ms)
    return answer_with(answer, key, steps, replayed=written.outcome == "twin")


def _make_block(
    actor: Caller,
    room_ids: tuple[str, ...],
    first: date,
    end: date,
    reason: str,
    digest: str,
) -> Booking:
    hotel, rooms = _judge_block(actor, room_ids, first, end, reason)
    now = clock.now()
    return Booking(
        id=new_id(now),
        reference=new_reference(hotel.code),
        caller=str(actor),
        # No person owns a block, so no one's list of bookings has it.
        owner=f"hotel:{hotel.id}",
        user_id="",
        hotel=hotel.id,
        category=common_category(rooms),
        rooms=rooms,
        check_in=first,
        check_out=end,
        guests=0,
        guest=Guest(),
        notes=read_lines(reason).strip(),
        price=Price(hotel.currency, ()),
        status=CONFIRMED,
        expires_at=None,
        created_at=now,
        updated_at=now,
        history=(Change(at=now, event="blocked", actor=str(actor), key=digest),),
        kind=BLOCK,
    )


def _make_key(block: Booking, key: str, digest: str) -> Key:
    """The block's key, with the answer that acknowledges the block."""
    message = "The rooms are blocked."
    answer = answers.success(block, key=key, message=message, status=201, now=block.created_at)
    return Key(
        digest=digest,
        made_by="client",
        until=None,
        fingerprint="",
        status=answer.status,
        body=answer.body,
    )


def _find_room(room_id: str, actor: Caller) -> RoomFacts | None:
    """The room, if it is for sale and the actor may know its hotel."""
    room = inventory.find_room(room_id)
    if room is None or actor.hotels is None:
        return room
    category = inventory.find_category(room.category)
    return room if category and actor.may_know(category.hotel) else None


def _judge_block(
    actor: Caller, room_ids: tuple[str, ...], first: date, end: date, reason: str
) -> tuple[HotelFacts, tuple[BookedRoom, ...]]:
    if not 1 <= len(set(room_ids)) <= MAX_ROOMS:
        raise ValidationFailed([Fault("rooms", f"Choose 1 to {MAX_ROOMS} rooms.")])
    rooms = {room_id: _find_room(room_id, actor) for room_id in room_ids}
    faults = [
        Fault("rooms", f"There is no room {room_id} for sale.")
        for room_id, room in rooms.items()
        if room is None
    ]
    try:
        if not read_lines(reason).strip():
            faults.append(Fault("reason", "Say why."))
    except BadText as bad:
        faults.append(Fault("reason", str(bad)))
    if len(reason) > MAX_NOTES:
        faults.append(Fault("reason", f"This has at most {MAX_NOTES} characters."))
    if end <= first:
        faults.append(Fault("end", "The end must be after the first night."))
    elif (end - first).days * len(rooms) > MAX_SLOTS:
        faults.append(
            Fault("end", f"A block has at most {MAX_SLOTS} nights, all its rooms together.")
        )
    if faults:
        raise ValidationFailed(faults)
    found = [room for room in rooms.values() if room]
    categories = {room.category: inventory.find_category(room.category) for room in found}
    hotels = {category.hotel for category in categories.values() if category}
    hotel = inventory.find_hotel(hotels.pop())
    assert hotel is not None, "a category's hotel cannot be deleted before the category"
    if hotels:
        faults.append(Fault("rooms", "All rooms of a block must be in the same hotel."))
    faults += [
        Fault("first" if fault.field == "checkIn" else "end", fault.message)
        for fault in inventory.judge_dates(hotel, first, end, at_desk=True)
    ]
    if faults:
        raise ValidationFailed(faults)
    return hotel, tuple(BookedRoom(room.id, room.category, 0) for room in found)

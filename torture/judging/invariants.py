"""What must hold, in words: the report, the guards and the checks name it alike."""

# Judged all the time, in snapshots on a majority (torture/watching.py).
ONE_PER_SLOT = "one active booking per slot at all times"
FIELDS_AGREE = "the fields of a booking agree with each other"
VERSION_MOVES = "every change of a booking moves its version"

# Judged at quiet moments, over history and documents (torture/judging/ledger.py).
ONE_PER_KEY = "one booking per caller and key"
PRESENT = "each acknowledged booking is present, in a state that its operations allow"
ZERO_OR_ONE = "an unknown operation had no effect or one"
NOT_REFUSED = "a refused operation had no effect"
IN_ORDER = "operations on a booking take effect in their order"
AS_FOLDED = "a booking is what its acknowledged operations made of it"
AS_WISHED = "what was acknowledged is what was asked for"
NOT_EXPIRED = "no confirmed booking expires"
LIVE_HOLD = "no live hold is lost"
OTHERS = "nothing is shown to another caller, or of another hotel"

# Judged over the answers alone (torture/judging/answers.py).
NO_ERRORS = "no 5xx but 503 TRY_AGAIN"
SAME_ANSWER = "definite answers of a key are identical for ever"
ON_TIME = "a process that lives answers within its time"

# Judged over the times of a round (torture/run.py).
DEFINITE = "every operation is definite within 15 s of the last fault"

COMES_BACK = "the site takes bookings again after its faults"

# These depend on how busy the machine is.
TIMED = (ON_TIME, DEFINITE)

# No promise of the site: a client that fails asks for nothing more.
NO_CLIENT_FAILS = "no client of the run fails"

# Judged in Redis, by the auditor, and over what receivers took.
BOOKABLE = "a slot without an owner can be booked"
NOT_STUCK = "no key or lock is stuck past its lease"
FRESH = "a cached caller or catalogue is never older than promised"
RECOUNTED = "the manager's figures are equal to a recount"
DELIVERED = "every piece of news is delivered at least once under one id, in order per booking"

# Judged over all operations on a slot (torture/linearizability.py).
LINEARIZABLE = "each slot's history is linearizable"

"""What the desk's forms have in common: days, rooms, and a key that makes each one wish."""

import re
import secrets
from collections.abc import Callable, Iterable
from datetime import date
from typing import Any, ClassVar, Self

from django import forms
from django.http import QueryDict

from bookings.admin.choices import read_ids
from bookings.domain.stay_request import MAX_ROOMS
from bookings.refusals import (
    IdempotencyInProgress,
    InvalidIdempotencyKey,
    KeyReused,
    Refusal,
    TryAgain,
)
from bookings.stays.outcomes import Outcome

# The longest list of ids that can be meant, with room for how people separate them.
MAX_ROOMS_TEXT = MAX_ROOMS * 80

# Where the API's sentence speaks of keys, which nobody sees here.
MESSAGES = {
    IdempotencyInProgress.code: "This form is being worked on; press {button} again in a moment.",
    KeyReused.code: "This form was sent before with other details; look for its booking in the "
    "list, or press {button} again for another one.",
    InvalidIdempotencyKey.code: "Open the page again.",
    TryAgain.code: "The booking system cannot answer just now; press {button} again in a moment.",
}

# What is kept under a key is all that this key ever answers, so the next try needs another.
KEPT_CODES = {kind.code for kind in Refusal.__subclasses__() if kind.is_definite} | {KeyReused.code}


# The name of the button that asks what is free.
SHOW = "show"


# The days whose moments an ObjectId can begin with, which counts seconds since 1970 in 32 bits
# (https://www.mongodb.com/docs/manual/reference/bson-types/#objectid); in whole years.
EARLIEST, LATEST = date(1970, 1, 1), date(2105, 12, 31)


class DayField(forms.DateField):
    """A calendar day, chosen in the browser's own calendar and sent as YYYY-MM-DD.

    It is one that can be computed with: from EARLIEST to LATEST, both included.
    """

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
        super().__init__(input_formats=["%Y-%m-%d"], widget=widget, **kwargs)

    def to_python(self, value: Any) -> date | None:
        day = super().to_python(value)
        if day is not None and not EARLIEST <= day <= LATEST:
            raise forms.ValidationError(f"Choose a day from {EARLIEST} to {LATEST}.")
        return day


class RoomIdsField(forms.CharField):
    """Ids of rooms in their order, separated by commas, blanks or line breaks."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("widget", forms.Textarea(attrs={"rows": 3}))
        super().__init__(max_length=MAX_ROOMS_TEXT, **kwargs)

    def clean(self, value: Any) -> Any:
        return tuple(read_ids(super().clean(value)))

    def prepare_value(self, value: Any) -> Any:
        return value if value is None or isinstance(value, str) else "\n".join(value)


class KeyedForm(forms.Form):
    """A wish that is granted once, however often its form is sent.

    `button` is what people press, and `shown_beside` tells beside which field of the form the
    service's fault in a field is shown. Behind the field `asks_after` stands a second button, SHOW,
    which sends the form only to have it back with what is free then; `offered` says what that is.
    """

    button: ClassVar[str]
    shown_beside: ClassVar[dict[str, str]]
    asks_after: ClassVar[str] = ""
    offered: str = ""

    key = forms.CharField(widget=forms.HiddenInput, max_length=64)

    @classmethod
    def new(cls, **initial: Any) -> Self:
        """The form as it is opened, with a key of its own."""
        return cls(initial={**initial, "key": new_key()})

    @classmethod
    def again(cls, sent: QueryDict) -> Self:
        """What was sent, unjudged, with the key it had."""
        fields = cls.base_fields.items()
        return cls(
            initial={
                name: field.widget.value_from_datadict(sent, {}, name) for name, field in fields
            }
        )

    def send(self, serve: Callable[[], Outcome]) -> Outcome | None:
        """Asks the service if the form is valid. None if it was refused; the form says why."""
        if not self.is_valid():
            return None
        try:
            outcome = serve()
        except Refusal as refusal:
            self._add_refusal(refusal.code, refusal.detail, refusal.extra())
            return None
        if outcome.code is None:
            return outcome
        content = outcome.content
        if outcome.payload_mismatch:
            # The answer is about what the form said when it was sent first.
            sentence = f"This form was refused before; press {self.button} to send it as it is now."
        else:
            sentence = content["error"]
        self._add_refusal(outcome.code, sentence, content)
        return None

    def _add_refusal(self, code: str, sentence: str, content: dict[str, Any]) -> None:
        if "errors" in content:
            add_faults(self, content["errors"], self.shown_beside)
        else:
            message = MESSAGES.get(code, "").format(button=self.button)
            self.add_error(None, message or sentence)
        if code in KEPT_CODES:
            # A copy, since what was sent cannot be changed; several rooms stay several in it.
            assert isinstance(self.data, QueryDict), "it is a browser's form"
            data = self.data.copy()
            data["key"] = new_key()
            self.data = data


def add_faults(
    form: forms.Form, faults: Iterable[dict[str, str]], shown_beside: dict[str, str]
) -> None:
    """Shows the service's faults beside their fields, and above the form what has none there."""
    found = [(shown_beside.get(_without_index(f["field"])), f["message"]) for f in faults]
    # Several rooms that are wished alike have the same faults.
    for field, message in dict.fromkeys(found):
        form.add_error(field, message)


def new_key() -> str:
    """A key for one wish: it stays with the form until that wish is answered."""
    return secrets.token_urlsafe(24)


def _without_index(field: str) -> str:
    """`rooms.guests` for `rooms[2].guests`."""
    return re.sub(r"\[\d+\]", "", field)

"""Shared parts of the desk's forms: days, rooms, and a key, so that a form acts once."""

import re
import secrets
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import Any, ClassVar, Self

from django import forms
from django.http import QueryDict

from bookings.admin.choices import read_ids
from bookings.domain.stay_request import MAX_ROOMS
from bookings.presentation.days import with_days_in_words
from bookings.refusals import (
    IdempotencyInProgress,
    InvalidIdempotencyKey,
    KeyReused,
    PriceChanged,
    Refusal,
    TryAgain,
)
from bookings.stays.outcomes import Outcome

# Enough for the longest sensible list of ids, however people separate them.
MAX_ROOMS_TEXT = MAX_ROOMS * 80

# Replace the API's sentences about keys, which staff never see.
MESSAGES = {
    IdempotencyInProgress.code: "This form is still being processed; press {button} again soon.",
    KeyReused.code: "This form was sent before with other details; look for its booking in the "
    "list, or press {button} again to make another one.",
    PriceChanged.code: "The price is no longer the one that was shown. The present one is below; "
    "press {button} again to sell at it.",
    InvalidIdempotencyKey.code: "Open the page again.",
    TryAgain.code: "The booking system cannot answer right now; press {button} again in a moment.",
}

# A key keeps these refusals and repeats them forever, so the next try needs a new key.
KEPT_CODES = {kind.code for kind in Refusal.__subclasses__() if kind.is_definite} | {KeyReused.code}


# The name of the button that shows what is free.
SHOW = "show"


# The range of an ObjectId's timestamp in whole years: it counts seconds since 1970 in 32 bits
# (https://www.mongodb.com/docs/manual/reference/bson-types/#objectid).
EARLIEST, LATEST = date(1970, 1, 1), date(2105, 12, 31)


class DayField(forms.DateField):
    """A calendar day, chosen in the browser's own calendar and sent as YYYY-MM-DD.

    It lies between EARLIEST and LATEST, both included, so that code can compute with it.
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
    """Room ids in order, separated by commas, blanks or line breaks; cleans to a tuple."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("widget", forms.Textarea(attrs={"rows": 3}))
        super().__init__(max_length=MAX_ROOMS_TEXT, **kwargs)

    def clean(self, value: Any) -> Any:
        return tuple(read_ids(super().clean(value)))

    def prepare_value(self, value: Any) -> Any:
        return value if value is None or isinstance(value, str) else "\n".join(value)


class KeyedForm(forms.Form):
    """A form that acts once, however often it is sent.

    `button` is the label of the submit button. `shown_beside` maps a field of the service to the
    form field beside which its faults are shown. A second button, SHOW, follows the field
    `asks_after`: it reloads the form with what is free for its dates, and `offered` describes that,
    with a list if there are `offered_lines`. Most forms need none of the fields `folded`, which
    are shown under a heading, `fold`, that opens.
    """

    button: ClassVar[str]
    shown_beside: ClassVar[dict[str, str]]
    asks_after: ClassVar[str] = ""
    show_button: ClassVar[str] = "Show free rooms"
    fold: ClassVar[str] = ""
    folded: ClassVar[Sequence[str]] = ()
    offered: str = ""
    offered_lines: Sequence[str] = ()

    key = forms.CharField(widget=forms.HiddenInput, max_length=64)

    @property
    def plain_fields(self) -> list[forms.BoundField]:
        return [field for field in self.visible_fields() if field.name not in self.folded]

    @property
    def folded_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.folded]

    @property
    def is_unfolded(self) -> bool:
        """Whether something under the heading is filled in or wrong."""
        return any(field.value() or field.errors for field in self.folded_fields)

    @classmethod
    def new(cls, **initial: Any) -> Self:
        """A newly opened form with a new key."""
        return cls(initial={**initial, "key": new_key()})

    @classmethod
    def again(cls, sent: QueryDict) -> Self:
        """The form as it was sent, not validated, with its key."""
        fields = cls.base_fields.items()
        return cls(
            initial={
                name: field.widget.value_from_datadict(sent, {}, name) for name, field in fields
            }
        )

    def send(self, serve: Callable[[], Outcome]) -> Outcome | None:
        """Calls the service if the form is valid. None if it was refused; the form says why."""
        if not self.is_valid():
            return None
        try:
            outcome = serve()
        except Refusal as refusal:
            self.refuse(refusal.code, refusal.detail, refusal.extra())
            return None
        if outcome.code is None:
            return outcome
        content = outcome.content
        if outcome.payload_mismatch:
            # The stored answer is about what the form said when it was first sent.
            sentence = f"This form was refused before; press {self.button} to send it as it is now."
        else:
            sentence = content["error"]
        self.refuse(outcome.code, sentence, content)
        return None

    def refuse(self, code: str, sentence: str, content: dict[str, Any]) -> None:
        """Shows a refusal of the service. One that the key keeps gives the form a new key."""
        if "errors" in content:
            add_faults(self, content["errors"], self.shown_beside)
        else:
            message = MESSAGES.get(code, "").format(button=self.button)
            self.add_error(None, message or with_days_in_words(sentence))
        if code in KEPT_CODES:
            self._set("key", new_key())

    def _set(self, name: str, value: Any) -> None:
        """Gives a field another value, in a form that was sent, too."""
        self.initial[name] = value
        if self.is_bound:
            # A copy, since sent data is immutable; a QueryDict keeps repeated fields such as rooms.
            assert isinstance(self.data, QueryDict), "it is a browser's form"
            data = self.data.copy()
            data[name] = str(value)
            self.data = data


def add_faults(
    form: forms.Form, faults: Iterable[dict[str, str]], shown_beside: dict[str, str]
) -> None:
    """Shows the service's faults beside their fields, or above the form if they have none there."""
    found = [(shown_beside.get(_without_index(f["field"])), f["message"]) for f in faults]
    # Several identical rooms have the same faults; show each once.
    for field, message in dict.fromkeys(found):
        form.add_error(field, with_days_in_words(message))


def new_key() -> str:
    """A key for one action: the form keeps it until the service has answered."""
    return secrets.token_urlsafe(24)


def _without_index(field: str) -> str:
    """`rooms.guests` for `rooms[2].guests`."""
    return re.sub(r"\[\d+\]", "", field)

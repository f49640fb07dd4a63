"""The errors of the forms on guests' pages: a plain sentence for every fault, in both languages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django import forms
from django.contrib.auth.models import User
from django.utils import translation

from bookings.web.account_forms import (
    AddressForm,
    LoginForm,
    NewAccountForm,
    PasswordForm,
    RegisterForm,
)
from bookings.web.forms import GuestForm, ListForm, SearchForm
from tests.translations import ROOT, read

FORMS: dict[str, Callable[[dict[str, str]], forms.BaseForm]] = {
    "search": lambda data: SearchForm(data, hotels=[]),
    "guest": GuestForm,
    "list": ListForm,
    "address": AddressForm,
    "register": RegisterForm,
    "login": lambda data: LoginForm(data=data),
    "password": lambda data: PasswordForm(User(), data),
    "account": lambda data: NewAccountForm(User(), data),
}

WRONG = ("", "0", "-1", "1.5", "words", "9" * 10_000, "x" * 10_000, "a@b")


def faults_of(form: forms.BaseForm, name: str) -> Iterator[str]:
    """Yields the sentences about one field that its own rules give, without those of passwords."""
    for value in WRONG:
        try:
            form.fields[name].clean(value)
        except forms.ValidationError as error:
            yield from error.messages


def ours() -> list[str]:
    """Returns how each of our texts begins, up to its first value."""
    catalogue: Any = read(ROOT / "locale/de/LC_MESSAGES/django.po")
    texts = [message.id for message in catalogue if isinstance(message.id, str) and message.id]
    return [text.partition("{")[0].partition("%(")[0] for text in texts]


@pytest.mark.parametrize("form", FORMS)
def test_has_a_sentence_of_ours_for_every_wrong_value(form: str) -> None:
    known = tuple(text for text in ours() if len(text) > 8)
    filled = FORMS[form]({})

    for name in filled.fields:
        faults = set(faults_of(filled, name))
        with translation.override("de"):
            german = set(faults_of(FORMS[form]({}), name))
        assert all(fault.startswith(known) and fault.endswith(".") for fault in faults), faults
        assert not faults & german

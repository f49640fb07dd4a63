"""The forms of the account pages: e-mail address, name and passwords."""

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm, SetPasswordForm, UsernameField
from django.contrib.auth.models import User
from django.utils.translation import gettext_lazy as _

from bookings.domain.email_addresses import MAX_ADDRESS, normalise_address
from bookings.infrastructure.texts import LineField
from bookings.people import accounts
from bookings.web.forms import too_long

_EMAIL_INPUT = forms.EmailInput(attrs={"autocomplete": "email"})
_ADDRESS_ERRORS = {
    "required": _("Enter your e-mail address."),
    "max_length": _("Enter a shorter e-mail address."),
}


# The label of each field, and what to do if it is empty: for the first password, and for another.
_FIRST_PASSWORD = {
    "new_password1": (_("Password"), _("Choose a password.")),
    "new_password2": (_("Repeat the password"), _("Enter the password again.")),
}
_NEW_PASSWORD = {
    "new_password1": (_("New password"), _("Enter a new password.")),
    "new_password2": (_("Repeat the new password"), _("Enter the new password again.")),
}

# As long as Django's own field for it.
MAX_NAME = 150


class LoginForm(AuthenticationForm):
    """Takes an e-mail address, or the username of a staff account."""

    error_messages = {
        "invalid_login": _("Wrong e-mail or password. Check Caps Lock, or choose a new password.")
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        name = self.fields["username"]
        name.label = _("E-mail address or username")
        name.error_messages |= {
            "required": _("Enter your e-mail address or username."),
            "max_length": _("Enter a shorter e-mail address."),
        }
        self.fields["password"].error_messages["required"] = _("Enter your password.")
        assert isinstance(name, UsernameField)
        name.max_length = MAX_ADDRESS
        name.widget.attrs.update(
            {"maxlength": MAX_ADDRESS, "autocapitalize": "none", "spellcheck": "false"}
        )
        name.widget.attrs.pop("autofocus", None)  # readers start at the top of the page

    def clean_username(self) -> str:
        return accounts.name_of(self.cleaned_data["username"])


class AddressForm(forms.Form):
    """The e-mail address to send a letter to."""

    email = forms.CharField(
        label=_("E-mail address"),
        max_length=MAX_ADDRESS,
        widget=_EMAIL_INPUT,
        error_messages=_ADDRESS_ERRORS,
    )

    def clean_email(self) -> str:
        return normalise_address(self.cleaned_data["email"])


class RegisterForm(AddressForm):
    """The address becomes the account's username, so it may be no longer than one."""

    email = forms.CharField(
        label=_("E-mail address"),
        max_length=accounts.MAX_ACCOUNT_ADDRESS,
        widget=_EMAIL_INPUT,
        error_messages=_ADDRESS_ERRORS,
    )


class PasswordForm(SetPasswordForm):
    """A password, entered twice and checked by Django's validators. `is_first` says whether the
    account has none yet."""

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(user, *args, **kwargs)
        self.is_first = not user.password or not user.has_usable_password()
        words = _FIRST_PASSWORD if self.is_first else _NEW_PASSWORD
        for name, (label, sentence) in words.items():
            self.fields[name].label = label
            self.fields[name].error_messages["required"] = sentence


class NewAccountForm(PasswordForm):
    """The rest of a new account. Opening the letter has already proved the address."""

    name = LineField(
        label=_("Your name"),
        max_length=MAX_NAME,
        error_messages={"required": _("Enter your name."), **too_long(MAX_NAME)},
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    field_order = ["name", "new_password1", "new_password2"]

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        # The validators compare the password with the name.
        self.user.first_name = name
        return name

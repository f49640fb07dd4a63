"""User accounts in Django's admin, where an e-mail address belongs to one account."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from bookings.admin.changing import ChangesWhatWasSeen
from bookings.people import accounts
from bookings.people.accounts import AccountDeleted


class _JudgesAddress(forms.ModelForm):
    """Shows beside the field why the service would refuse the address."""

    def clean_email(self) -> str:
        typed: str = self.cleaned_data["email"]
        # An unchanged address stays, even if it would be refused today.
        if not typed or typed == self.initial.get("email"):
            return typed
        return accounts.judge_address(typed, of=self.instance)


class AddAccountForm(_JudgesAddress, AdminUserCreationForm):
    pass


class AccountForm(_JudgesAddress, UserChangeForm):
    pass


admin.site.unregister(User)


@admin.register(User)
class AccountAdmin(ChangesWhatWasSeen, UserAdmin):
    """The owner of an account's mailbox can choose the account's password."""

    form = AccountForm
    add_form = AddAccountForm
    # Saving the form would overwrite the time of a login made meanwhile, and no one needs to change
    # when an account was made.
    readonly_fields = ("last_login", "date_joined")
    add_fieldsets: Any = (
        (
            None,
            {
                "classes": ("wide",),
                "fields": ("username", "email", "usable_password", "password1", "password2"),
            },
        ),
    )

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if change and "email" in form.changed_data:
            accounts.forget_former_addresses(obj)

    def user_change_password(
        self, request: HttpRequest, id: str, form_url: str = ""
    ) -> HttpResponse:
        try:
            return super().user_change_password(request, id, form_url)
        except AccountDeleted as refusal:
            self.message_user(request, str(refusal), messages.ERROR)
            return HttpResponseRedirect(reverse("admin:auth_user_changelist"))

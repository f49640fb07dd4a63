"""User accounts in Django's admin, where an e-mail address belongs to one account."""

from collections.abc import Collection
from contextlib import ExitStack
from typing import Any

from bson import ObjectId
from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.contrib.auth.models import Group, User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from bookings.admin.changing import ChangesWhatWasSeen, Overtaken
from bookings.admin.deletion import RefusesDeletion
from bookings.catalogue import inventory
from bookings.people import accounts, owners, sessions, staff_hotels
from bookings.people.accounts import AccountDeleted
from bookings.people.owners import LastOwner, Loses


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
    """An account, with the hotels that it belongs to if it is one of the staff."""

    all_hotels = forms.BooleanField(
        required=False,
        help_text="And those that are added later. A superuser always belongs to all hotels.",
    )
    hotels = forms.MultipleChoiceField(
        label="Only these hotels",
        required=False,
        choices=lambda: [(hotel.id, hotel.name) for hotel in inventory.list_hotels()],
        widget=forms.CheckboxSelectMultiple,
        help_text=(
            "Without “All hotels”, this member of the staff sees, changes and finds only these, "
            "and nothing that is about the whole site, such as accounts, partners and the brand."
        ),
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        found = staff_hotels.read_hotels(self.instance.pk)
        self.initial["all_hotels"] = found is None
        self.initial["hotels"] = sorted(found or ())

    def clean(self) -> None:
        """Asks for a choice, since no hotel at all might be meant as either."""
        super().clean()
        chosen = self.cleaned_data.get("hotels")
        if self.cleaned_data.get("all_hotels"):
            if chosen:
                self.add_error("hotels", "Untick “All hotels” to choose some of them.")
        elif not chosen and "hotels" not in self.errors:
            self.add_error("hotels", "Choose at least one hotel, or tick “All hotels”.")
        if not self.errors and (told := owners.refuse(self.loses)):
            self.add_error(None, told)

    @property
    def loses(self) -> Loses:
        """Which rights to give rights the account has no longer after a valid form."""
        data, this = self.cleaned_data, frozenset({self.instance.pk})
        logs_in = data["is_active"] and data["is_staff"] and self.instance.has_usable_password()
        changes_users = logs_in and owners.may_change_users(
            groups=data["groups"], permissions=data["user_permissions"], hotels=self.hotels_after
        )
        return Loses(
            frozenset() if logs_in and data["is_superuser"] else this,
            frozenset() if changes_users else this,
        )

    @property
    def hotels_before(self) -> staff_hotels.Hotels:
        """The hotels that the form was judged with."""
        return None if self.initial["all_hotels"] else frozenset(self.initial["hotels"])

    @property
    def hotels_after(self) -> staff_hotels.Hotels:
        """The hotels that a valid form asks for."""
        data = self.cleaned_data
        return None if data["all_hotels"] else frozenset(data["hotels"])


class RoleForm(forms.ModelForm):
    """A group, which may be what gives the last person the right to change users."""

    def clean(self) -> None:
        super().clean()
        if not self.errors and (told := owners.refuse(self.loses)):
            self.add_error(None, told)

    @property
    def loses(self) -> Loses:
        """Who may change users no longer after a valid form."""
        gives = {permission.pk for permission in self.cleaned_data.get("permissions", ())}
        if self.instance._state.adding or owners.right_to_change_users().pk in gives:
            return owners.NOTHING
        return owners.what_groups_give([self.instance.pk])


class KeepsTheLastOwner(RefusesDeletion):
    """Refuses to change or delete what lets the last person in who can give rights to the staff.

    Its forms say in `loses` what a change takes away.
    """

    def lost_with(self, keys: Collection[Any]) -> Loses:
        """What is lost with the objects that have these keys."""
        raise NotImplementedError

    def refuse_deletion(self, objects: list[Any]) -> list[str]:
        told = owners.refuse(self.lost_with([obj.pk for obj in objects]))
        return [told] if told else []

    def delete_one(self, obj: Any) -> bool:
        try:
            with owners.leaving(self.lost_with([obj.pk])):
                obj.delete()
        except LastOwner:
            return False
        return True

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        try:
            with ExitStack() as until_saved:
                # Until the groups and permissions are saved, too, which is after the object.
                request.__dict__["_until_saved"] = until_saved
                return super().changeform_view(request, object_id, form_url, extra_context)
        except LastOwner as refusal:
            # Someone else was quicker since the form was judged.
            self.message_user(request, str(refusal), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    def begin_leaving(self, request: HttpRequest, form: Any, change: bool) -> None:
        """Call it before anything is saved. Raises LastOwner."""
        if change:
            request.__dict__["_until_saved"].enter_context(owners.leaving(form.loses))


admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(Group)
class RoleAdmin(KeepsTheLastOwner, GroupAdmin):
    form = RoleForm

    def lost_with(self, keys: Collection[Any]) -> Loses:
        return owners.what_groups_give(keys)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        self.begin_leaving(request, form, change)
        super().save_model(request, obj, form, change)


@admin.register(User)
class AccountAdmin(KeepsTheLastOwner, ChangesWhatWasSeen, UserAdmin):
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

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Shows the hotels of an account to those who may change it."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or not self.has_change_permission(request, obj):
            return fieldsets
        hotels = ("Hotels", {"fields": ("all_hotels", "hotels")})
        return [*fieldsets[:-1], hotels, fieldsets[-1]]

    def lost_with(self, keys: Collection[Any]) -> Loses:
        return owners.all_rights_of(keys)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        self.begin_leaving(request, form, change)
        # Takes hotels away before the rest is saved, and gives others after it: if the rest is
        # refused or this ends in between, the account has less than asked, never more.
        if change and form.hotels_after != form.hotels_before:
            _set_hotels(obj, _in_both(form), before=form.hotels_before)
        super().save_model(request, obj, form, change)
        if change and "email" in form.changed_data:
            accounts.forget_former_addresses(obj)
        if change and {"is_active", "is_staff"} & set(form.changed_data):
            # Also when it is opened: a login that was under way at its closing may have made one.
            sessions.end_sessions(obj.pk)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if change and form.hotels_after != _in_both(form):
            _set_hotels(form.instance, form.hotels_after, before=_in_both(form))

    def user_change_password(
        self, request: HttpRequest, id: str, form_url: str = ""
    ) -> HttpResponse:
        loses = owners.NOTHING
        if "unset-password" in request.POST and ObjectId.is_valid(unquote(id)):
            loses = owners.all_rights_of([ObjectId(unquote(id))])
        try:
            with owners.leaving(loses):
                return super().user_change_password(request, id, form_url)
        except LastOwner as refusal:
            self.message_user(request, str(refusal), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())
        except AccountDeleted as refusal:
            self.message_user(request, str(refusal), messages.ERROR)
            return HttpResponseRedirect(reverse("admin:auth_user_changelist"))


def _in_both(form: AccountForm) -> staff_hotels.Hotels:
    """The hotels that the account has before the form and after it."""
    before, after = form.hotels_before, form.hotels_after
    if before is None or after is None:
        return after if before is None else before
    return before & after


def _set_hotels(account: User, hotels: staff_hotels.Hotels, *, before: staff_hotels.Hotels) -> None:
    if not staff_hotels.set_hotels(account.pk, hotels, before=before):
        raise Overtaken

"""The pages of the team: the list, an invitation, and one page for each person."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import ADDITION, CHANGE
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from bookings.admin.manager.pages import note
from bookings.admin.own_hotels import name_hotels
from bookings.admin.setup.forms import CHANGED_SINCE, SEEN, digest_of
from bookings.admin.staff_requests import may
from bookings.admin.team.forms import InviteForm, PersonForm
from bookings.operations import checklist
from bookings.people import accounts, owners, sessions, team
from bookings.people.colleagues import INVITED, JOINED, WAITING, CannotJoin
from bookings.people.staff_hotels import Hotels
from bookings.people.team import MemberChanged, TeamMember

SEES = "auth.view_user"
CHANGES = "auth.change_user"
INVITES = ("auth.add_user", "auth.change_user")

CHANGED_SINCE_SHOWN = (
    "Someone else has changed this person since you opened the page, and nothing was done. Look at "
    "what is there now, and press the button again."
)

Page = Callable[..., HttpResponse]


def _page(*needs: str, methods: Callable[[Any], Any] = require_safe) -> Callable[[Page], Page]:
    """Makes a view a page for staff with one of these rights."""

    def decorate(view: Page) -> Page:
        @wraps(view)
        def guarded(request: HttpRequest, *arguments: Any, **named: Any) -> HttpResponse:
            if not any(may(request, right) for right in needs):
                raise PermissionDenied
            return view(request, *arguments, **named)

        return admin.site.admin_view(methods(guarded))

    return decorate


_shows_or_takes = require_http_methods(["GET", "HEAD", "POST"])


@_page(SEES, CHANGES)
def show_team(request: HttpRequest) -> HttpResponse:
    """Everyone who may log in."""
    found, names = team.list_team(), dict(name_hotels(request))
    people = [(each, _tell_hotels(each.hotels, names)) for each in found]
    context: dict[str, Any] = {
        "open": [each for each in people if each[0].is_open],
        "closed": [each for each in people if not each[0].is_open],
        "may_invite": may(request, *INVITES),
    }
    return _show(request, "team.html", "Team", **context)


@_page(CHANGES, methods=_shows_or_takes)
def invite(request: HttpRequest) -> HttpResponse:
    """Invites a colleague by mail."""
    if not may(request, *INVITES):
        raise PermissionDenied
    data = request.POST if request.method == "POST" else None
    form = InviteForm(data, names_of_hotels=name_hotels(request))
    if form.is_valid() and (user := _invite(request, form)) is not None:
        return _go(user.pk)
    context: dict[str, Any] = {"form": form, "sends_mail": checklist.can_send_mail()}
    return _show(request, "invite.html", "Invite a colleague", **context)


def _invite(request: HttpRequest, form: InviteForm) -> User | None:
    """The account of the colleague; None if the form now says why there is none."""
    values = form.cleaned_data
    address, role = values["address"], values["role"]
    there = accounts.find_account(address)
    before = team.find_member(str(there.pk)) if there else None
    try:
        result = team.invite(
            address=address, name=values["name"], role=role, hotels=form.asked_hotels
        )
    except CannotJoin as refusal:
        form.add_error("address", str(refusal))
        return None
    user = accounts.find_account(address)
    if user is None:
        form.add_error("address", "The account of this address was deleted meanwhile.")
        return None
    told = {
        INVITED: f"A mail with a link to choose a password goes to {address}.",
        WAITING: f"{address} was invited before and has the role {role}. No other mail was sent.",
        JOINED: f"The account of {address}, who was a guest here, has the role {role} now.",
    }.get(result, f"Nothing was sent to {address}, who works here and has the role {role} now.")
    messages.success(request, told)
    after = team.find_member(str(user.pk))
    if after is not None and (before is None or before.state != after.state):
        text = f"Invited as {role}, {_tell_hotels(after.hotels, dict(name_hotels(request)))}."
        note(request, text, about=user, action=CHANGE if there else ADDITION)
    return user


@_page(SEES, CHANGES, methods=_shows_or_takes)
def show_person(request: HttpRequest, user_id: str) -> HttpResponse:
    """One person: what they may do, and for those who may change users, forms to change that."""
    member = _find(user_id)
    may_change = may(request, CHANGES)
    if request.method == "POST" and not may_change:
        raise PermissionDenied
    if request.method == "POST" and member.is_superuser:
        raise Http404("An administrator has all rights at all hotels, so there is nothing to set.")
    data = request.POST if request.method == "POST" else None
    form = PersonForm(member, data, names_of_hotels=name_hotels(request))
    fault = ""
    if form.is_valid():
        if form.asks_for(member):
            # It was sent twice, or nothing was changed.
            return _go(member.id)
        fault = _change(request, member, form)
        if not fault:
            messages.success(request, f"{member.name}: saved.")
            return _go(member.id)
        member = _find(user_id)
    context: dict[str, Any] = {
        "member": member,
        "hotels": _tell_hotels(member.hotels, dict(name_hotels(request))),
        "form": form if may_change and not member.is_superuser else None,
        "fault": fault,
        "may_change": may_change,
        # Who closes their own account could not open it again.
        "is_oneself": member.id == request.user.pk,
        "may_see_log": may(request, "admin.view_logentry"),
        "log_url": _log_url(member),
        "account_url": reverse("admin:auth_user_change", args=[member.id]),
        "seen": digest_of(member.state),
        "seen_sessions": sessions.read_stamp(member.id) if may_change else "",
    }
    return _show(request, "person.html", member.name, **context)


def _change(request: HttpRequest, member: TeamMember, form: PersonForm) -> str:
    """Saves the valid form; returns the sentence that says why not, or nothing."""
    if request.POST.get(SEEN) != digest_of(member.state):
        return CHANGED_SINCE
    roles = form.cleaned_data["roles"]
    try:
        team.change_member(member, roles=roles, hotels=form.asked_hotels)
    except (MemberChanged, owners.ChangedAtOnce):
        return CHANGED_SINCE
    except owners.LastOwner as refusal:
        return str(refusal)
    told = ", ".join(sorted(roles)) or "none"
    where = _tell_hotels(form.asked_hotels, dict(name_hotels(request)))
    _note(request, member, f"Roles: {told}. Hotels: {where}.")
    return ""


# --- The buttons of a person's page -------------------------------------------------------------


@_page(CHANGES, methods=require_POST)
def close(request: HttpRequest, user_id: str) -> HttpResponse:
    """Closes the account, which ends its sessions."""
    member = _find(user_id)
    if not member.is_open:
        return _go(member.id)
    told = f"The account of {member.name} is closed, and its sessions have ended."
    return _press(request, member, team.close_member, "Closed the account.", told)


@_page(CHANGES, methods=require_POST)
def reopen(request: HttpRequest, user_id: str) -> HttpResponse:
    """Opens the account."""
    member = _find(user_id)
    if member.is_open:
        return _go(member.id)
    told = f"The account of {member.name} is open again."
    return _press(request, member, team.open_member, "Opened the account.", told)


def _press(
    request: HttpRequest,
    member: TeamMember,
    act: Callable[[TeamMember], None],
    noted: str,
    told: str,
) -> HttpResponse:
    try:
        if request.POST.get(SEEN) != digest_of(member.state):
            raise MemberChanged
        act(member)
    except (MemberChanged, owners.ChangedAtOnce):
        messages.error(request, CHANGED_SINCE_SHOWN)
    except owners.LastOwner as refusal:
        messages.error(request, str(refusal))
    else:
        _note(request, member, noted)
        messages.success(request, told)
    return _go(member.id)


@_page(CHANGES, methods=require_POST)
def end_sessions(request: HttpRequest, user_id: str) -> HttpResponse:
    """Ends all sessions of the person, who may log in again. Sent twice, it ends those that were
    there at the first time."""
    member = _find(user_id)
    if sessions.end_seen_sessions(member.id, seen=request.POST.get(SEEN, "")):
        _note(request, member, "Ended all sessions.")
        messages.success(request, f"All sessions of {member.name} have ended.")
    elif SEEN in request.POST:
        text = f"All sessions of {member.name} were ended since you opened this page."
        messages.info(request, f"{text} Press the button again to end those from since then.")
    return _go(member.id)


@_page(CHANGES, methods=require_POST)
def invite_again(request: HttpRequest, user_id: str) -> HttpResponse:
    """Sends the invitation once more to a person who has no password yet."""
    member = _find(user_id)
    if member.has_password or not member.is_open or not member.address:
        text = f"{member.name} needs no invitation, so none was sent."
        messages.error(request, text)
    elif left_s := team.invite_again(member):
        messages.error(request, f"An invitation was sent just now. Wait {left_s} seconds.")
    else:
        _note(request, member, "Invited again.")
        text = f"A mail with a link to choose a password goes to {member.address}."
        messages.success(request, text)
    return _go(member.id)


# --- Shared -------------------------------------------------------------------------------------


def _find(user_id: str) -> TeamMember:
    member = team.find_member(user_id)
    if member is None:
        raise Http404("There is no such member of the staff; the account may have been deleted.")
    return member


def _go(user_id: Any) -> HttpResponse:
    return HttpResponseRedirect(reverse("team:person", args=[user_id]))


def _note(request: HttpRequest, member: TeamMember, text: str) -> None:
    note(request, text, about=User(pk=member.id, username=member.username))


def _log_url(member: TeamMember) -> str:
    query = urlencode({"user": member.username})
    return f"{reverse('admin:admin_logentry_changelist')}?{query}"


def _tell_hotels(hotels: Hotels, names: dict[str, str]) -> str:
    if hotels is None:
        return "all hotels"
    # A hotel may have been deleted since.
    return ", ".join(sorted(names.get(each, each) for each in hotels)) or "no hotel"


def _show(request: HttpRequest, template: str, title: str, **context: Any) -> TemplateResponse:
    form = context.get("form")
    is_wrong = bool(getattr(form, "errors", None)) or bool(context.get("fault"))
    context |= {**admin.site.each_context(request), "title": title, "is_wrong": is_wrong}
    return TemplateResponse(request, f"admin/team/{template}", context)

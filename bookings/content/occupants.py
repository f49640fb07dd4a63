"""Who the guests of a room may be. How many they are is the rule of the category's occupancy."""

from django.utils.translation import gettext as _
from django.utils.translation import ngettext


def who_may_stay(occupancy: int, *, adults: int | None, children: int | None) -> str:
    """A sentence in the active language, such as `Up to 3 guests: at most 2 adults.`

    It is empty if nothing limits who the guests are. The occupancy may have changed since the owner
    said who may stay, so a limit that limits nothing is not mentioned. If both limits together are
    less than the occupancy, the sentence would contradict itself, and is empty, too.
    """
    if adults is not None and children is not None and adults + children < occupancy:
        return ""
    if children == 0:
        return ngettext(
            "One guest, adults only.", "Up to %(count)d guests, adults only.", occupancy
        ) % {"count": occupancy}
    limits = []
    if adults is not None and adults < occupancy:
        limits.append(
            ngettext("at most %(count)d adult", "at most %(count)d adults", adults)
            % {"count": adults}
        )
    if children is not None and children < occupancy:
        limits.append(
            ngettext("at most %(count)d child", "at most %(count)d children", children)
            % {"count": children}
        )
    if not limits:
        return ""
    guests = ngettext("One guest", "Up to %(count)d guests", occupancy) % {"count": occupancy}
    return _("%(guests)s: %(limits)s.") % {"guests": guests, "limits": ", ".join(limits)}


def judge_who(occupancy: int, *, adults: int | None, children: int | None) -> dict[str, str]:
    """What is wrong with these limits, one English sentence for each field; empty if nothing is."""
    faults = {
        name: f"This category takes at most {occupancy} per room; enter {occupancy} or less."
        for name, most in (("adults", adults), ("children", children))
        if most is not None and most > occupancy
    }
    if not faults and adults is not None and children is not None:
        missing = occupancy - adults - children
        if missing > 0:
            faults["children"] = (
                f"A room takes {occupancy}, and these are {adults + children} together; raise one "
                "of the two, or leave one empty."
            )
    return faults

"""What a hotel and a room can have, as codes that are stored and names in the reader's language.

A code never changes. Structured data and partners may rely on it, and a release that does not know
a code leaves it out.
"""

from collections.abc import Iterable, Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

OF_HOTELS: dict[str, Promise] = {
    "wifi": _("Wi-Fi"),
    "parking": _("Parking"),
    "charging": _("Charging for electric cars"),
    "breakfast": _("Breakfast"),
    "restaurant": _("Restaurant"),
    "bar": _("Bar"),
    "reception_24h": _("Reception open day and night"),
    "luggage": _("Luggage storage"),
    "lift": _("Lift"),
    "step_free": _("Step-free access"),
    "pets": _("Pets welcome"),
    "garden": _("Garden"),
    "terrace": _("Terrace"),
    "pool": _("Pool"),
    "sauna": _("Sauna"),
    "gym": _("Gym"),
    "bicycles": _("Bicycles to borrow"),
    "laundry": _("Laundry"),
    "family_rooms": _("Family rooms"),
    "no_smoking": _("No smoking"),
}

OF_ROOMS: dict[str, Promise] = {
    "bathroom": _("Private bathroom"),
    "shower": _("Shower"),
    "bath": _("Bathtub"),
    "hair_dryer": _("Hair dryer"),
    "balcony": _("Balcony"),
    "view": _("View"),
    "air_conditioning": _("Air conditioning"),
    "heating": _("Heating"),
    "desk": _("Desk"),
    "tv": _("TV"),
    "safe": _("Safe"),
    "wardrobe": _("Wardrobe"),
    "kitchenette": _("Kitchenette"),
    "fridge": _("Fridge"),
    "kettle": _("Kettle"),
    "coffee": _("Coffee machine"),
    "soundproof": _("Soundproof"),
    "step_free": _("Step-free access"),
}

# Names for the owner, and for guests with a number.
BEDS: dict[str, Promise] = {
    "single": _("Single beds"),
    "double": _("Double beds"),
    "queen": _("Queen-size beds"),
    "king": _("King-size beds"),
    "bunk": _("Bunk beds"),
    "sofa": _("Sofa beds"),
    "cot": _("Cots"),
}
_COUNTED: dict[str, Promise] = {
    "single": ngettext_lazy("%(count)d single bed", "%(count)d single beds", "count"),
    "double": ngettext_lazy("%(count)d double bed", "%(count)d double beds", "count"),
    "queen": ngettext_lazy("%(count)d queen-size bed", "%(count)d queen-size beds", "count"),
    "king": ngettext_lazy("%(count)d king-size bed", "%(count)d king-size beds", "count"),
    "bunk": ngettext_lazy("%(count)d bunk bed", "%(count)d bunk beds", "count"),
    "sofa": ngettext_lazy("%(count)d sofa bed", "%(count)d sofa beds", "count"),
    "cot": ngettext_lazy("%(count)d cot", "%(count)d cots", "count"),
}

# The most beds of one kind in a room.
MAX_BEDS = 20


def names_of(codes: Iterable[str], names: Mapping[str, Promise]) -> list[str]:
    """The names of these codes in the active language, in our order; unknown codes are left out."""
    chosen = set(codes)
    return [str(name) for code, name in names.items() if code in chosen]


def count_beds(beds: Mapping[str, int]) -> list[str]:
    """`["1 double bed", "2 single beds"]` in the active language; unknown kinds are left out."""
    return [
        str(counted % {"count": beds[code]}) for code, counted in _COUNTED.items() if beds.get(code)
    ]

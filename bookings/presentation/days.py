"""Calendar days in words, in the reader's language."""

import re
from collections.abc import Iterable, Iterator
from datetime import date, timedelta

from django.utils.formats import date_format
from django.utils.translation import gettext as _

_DAY = re.compile(r"\b\d{4}-\d{2}-\d{2}\b", re.ASCII)

# A sentence names at most this many runs of days.
MAX_NAMED_DAYS = 10


def day_text(day: date | str) -> str:
    """`Mon 30 Nov 2026`. A text is a day as documents keep it, YYYY-MM-DD."""
    return date_format(_date_of(day), "DATE_FORMAT")


def short_day_text(day: date | str) -> str:
    """`Mon 30 Nov`, for a place that says the year elsewhere."""
    return date_format(_date_of(day), "SHORT_DATE_FORMAT")


def long_day_text(day: date | str) -> str:
    """`30 November 2026`, as guests read it."""
    return date_format(_date_of(day), _("j F Y"))


def stay_text(check_in: date | str, check_out: date | str) -> str:
    """`Mon 30 Nov – Wed 2 Dec 2026`, from arrival to departure; the year twice if it changes."""
    first, last = _date_of(check_in), _date_of(check_out)
    begin = short_day_text(first) if first.year == last.year else day_text(first)
    return f"{begin} – {day_text(last)}"


def with_days_in_words(sentence: str) -> str:
    """The sentence of a service with its days, YYYY-MM-DD for programs, as people read them."""
    return _DAY.sub(_in_words, sentence)


def _in_words(found: re.Match[str]) -> str:
    try:
        return day_text(found[0])
    except ValueError:
        return found[0]  # it only looks like a day


def describe_days(days: Iterable[date]) -> str:
    """`3 March, 5 March to 8 March`. If there are very many runs, it names only the first."""
    runs = list(_runs_of(days))
    texts = []
    for first, last in runs[:MAX_NAMED_DAYS]:
        text = date_format(first, _("j F"))
        if last > first:
            text = _("%(first)s to %(last)s") % {"first": text, "last": date_format(last, _("j F"))}
        texts.append(text)
    if len(runs) > MAX_NAMED_DAYS:
        texts.append(_("and more days"))
    return ", ".join(texts)


def _runs_of(days: Iterable[date]) -> Iterator[tuple[date, date]]:
    """The first and last day of each run of consecutive days."""
    known = set(days)
    for day in sorted(known):
        if day - timedelta(days=1) not in known:
            last = day
            while last + timedelta(days=1) in known:
                last += timedelta(days=1)
            yield day, last


def _date_of(day: date | str) -> date:
    return date.fromisoformat(day) if isinstance(day, str) else day

"""The admin's list of models beside every page, as HTML. Django's own template, which asks each of
thirty models a dozen questions, takes as long as the rest of a page. Staff read English."""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any
from urllib.parse import quote

from django import template
from django.utils.safestring import SafeString, mark_safe

register = template.Library()

_HEADS = "".join(
    f'<th scope="col">{text}</th>'
    for text in ("Model name", "Add link", "Change or view list link")
)


@register.simple_tag
def list_models(apps: Iterable[Mapping[str, Any]], path: str) -> SafeString:
    """What Django's `admin/app_list.html` shows in the sidebar of the page with this path."""
    here = quote(path)
    shown = "".join(_app(app, here) for app in apps)
    return mark_safe(shown or "<p>You don’t have permission to view or edit anything.</p>")


def _app(app: Mapping[str, Any], here: str) -> str:
    label, url, name = (escape(str(app[part])) for part in ("app_label", "app_url", "name"))
    current = " current-app" if app["app_url"] in here else ""
    title = f"Models in the {name} application"
    rows = "".join(_model(model, label, here) for model in app["models"])
    return (
        f'<div class="app-{label} module{current}"><table>'
        f'<caption><a href="{url}" class="section" title="{title}">{name}</a></caption>'
        f'<thead class="visually-hidden"><tr>{_HEADS}</tr></thead>{rows}</table></div>'
    )


def _model(model: Mapping[str, Any], app_label: str, here: str) -> str:
    name, shown = escape(model["object_name"].lower()), escape(str(model["name"]))
    url, add_url = model["admin_url"], model["add_url"]
    row, current = "", ""
    if url:
        if url in here:
            row, current = " current-model", ' aria-current="page"'
        shown = f'<a href="{escape(url)}"{current}>{shown}</a>'
    link = ""
    if add_url:
        described = f'aria-describedby="{app_label}-{name}"'
        link = f'<a href="{escape(add_url)}" class="addlink" {described}>Add</a>'
    return (
        f'<tr class="model-{name}{row}"><th scope="row" id="{app_label}-{name}">{shown}</th>'
        f"<td>{link}</td></tr>"
    )

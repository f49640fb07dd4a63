"""Guests copy the link to their booking."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.journeys.visitor import Visitor

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("javascript", [True])
def test_copies_the_link_and_says_so(visitor: Visitor) -> None:
    visitor.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visitor.hold()
    visitor.confirm()
    link = visitor.page.get_by_label("Your link to this booking").input_value()

    visitor.press("Copy the link")

    visitor.expect_text("The link is copied.")
    assert visitor.page.evaluate("navigator.clipboard.readText()") == link


@pytest.mark.parametrize("javascript", [True])
def test_selects_the_link_where_it_may_not_copy(visitor: Visitor) -> None:
    visitor.page.add_init_script(
        "navigator.clipboard.writeText = () => Promise.reject(new Error('no'))"
    )
    visitor.hold()
    visitor.confirm()

    visitor.press("Copy the link")

    field = visitor.page.get_by_label("Your link to this booking")
    expect(field).to_be_focused()
    selected = visitor.page.evaluate("document.activeElement.selectionEnd")
    assert selected == len(field.input_value())

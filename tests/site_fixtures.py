"""The site under test, and the variations that single tests need."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from bookings.models import ApiClient
from bookings.people import tokens
from tests.site import Site, start_site

Starter = Callable[..., Site]


@pytest.fixture(scope="session")
def running_site(
    migrated: None, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    site = start_site(environment, tmp_path_factory.mktemp("site"))
    yield site
    site.stop()


@pytest.fixture
def site(running_site: Site, database: None) -> Iterator[Site]:
    """The site that all tests of this worker share, with a partner's token."""
    running_site.faults.clear()
    running_site.token = issue_token("partner")
    yield running_site
    running_site.faults.clear()


@pytest.fixture
def start(database: None, environment: dict[str, str], tmp_path: Path) -> Iterator[Starter]:
    """Starts further sites with their own variables; they stop with the test."""
    sites: list[Site] = []

    def start_one(**variables: str) -> Site:
        site = start_site({**environment, **variables}, tmp_path)
        sites.append(site)
        site.token = issue_token("partner")
        return site

    yield start_one
    for site in sites:
        site.stop()


def issue_token(name: str, *, act_for_others: bool = True) -> str:
    """Returns a token for the client of this name, which it makes if necessary."""
    client, _ = ApiClient.objects.get_or_create(
        name=name, defaults={"act_for_others": act_for_others}
    )
    return tokens.issue_token(client.pk)


def make_user(username: str, password: str = "correct horse") -> User:
    return User.objects.create_user(username, password=password)


@pytest.fixture
def folder_of_servers() -> Path:
    return Path(os.environ["TEST_SERVERS_FOLDER"])

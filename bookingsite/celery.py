"""The Celery application. Nothing in a request enqueues a task; beat does, on a schedule."""

import logging
import os
from typing import Any

from celery import Celery
from celery.signals import (
    setup_logging,
    task_failure,
    task_postrun,
    task_prerun,
    worker_ready,
)

from bookings.infrastructure.mongodb import errors
from bookingsite import logs

logger = logging.getLogger(__name__)

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bookingsite.settings")

app = Celery("bookingsite")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def keep_our_logging(**_: Any) -> None:
    """Django has already set up the logs; Celery would replace them with plain text."""


@task_prerun.connect
def name_the_task(task_id: str, task: Any, **_: Any) -> None:
    """Puts the task's id on all its log lines, as a request's id is on the request's lines."""
    logs.bind(request_id=task_id, task=task.name)


@task_failure.connect
def describe_what_mongodb_said(exception: BaseException, **_: Any) -> None:
    """Says whether MongoDB's error is a passing one; Celery logs the failure itself."""
    if about := errors.describe(exception):
        logger.warning("task_failed_at_mongodb", extra=about)


@task_postrun.connect
def forget_the_task(**_: Any) -> None:
    logs.bind()


@worker_ready.connect
def look_at_what_it_needs(**_: Any) -> None:
    # Imported here, since the application is made before Django has loaded its models.
    from bookingsite import start_checks

    start_checks.begin()

"""Photos in a bucket that speaks S3, for sites on several machines. Every error is an OSError.

Settings import this only if they name a bucket: the library takes 30 MB.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.core.files import File
from storages.backends.s3 import S3File, S3Storage

# A page waits for no photo, but each of its photos holds a thread for as long as the bucket may be
# silent. The library's own values are a minute, five times.
CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 1, 3

# More than any file of a photo has.
MOST_BYTES = 64 * 1024 * 1024


class Bucket(S3Storage):
    """A bucket with short time-outs and a single try; callers try again later."""

    def __init__(self, **options: Any) -> None:
        # Other servers are reached by the path, since they have no name for each bucket.
        style = "path" if options.get("endpoint_url") else "auto"
        config = Config(
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=READ_TIMEOUT_S,
            retries={"total_max_attempts": 1},
            s3={"addressing_style": style},
            # Servers other than Amazon's may not know the newer ways.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        # In one part: what is left of a file in several would stay for ever if its writer dies.
        transfer = TransferConfig(use_threads=False, multipart_threshold=MOST_BYTES)
        super().__init__(client_config=config, transfer_config=transfer, **options)

    def _open(self, name: str, mode: str = "rb") -> S3File:
        """Raises FileNotFoundError or OSError. Reads everything, so that reading raises nothing."""
        with _as_os_errors():
            file = super()._open(name, mode)
            file.open()
            return file

    def _save(self, name: str, content: File) -> str:
        """A bucket shows a file whole or not at all."""
        with _as_os_errors():
            saved: str = super()._save(name, content)
            return saved

    def exists(self, name: str) -> bool:
        """Whether there is a file of this name."""
        with _as_os_errors():
            found: bool = super().exists(name)
            return found

    def delete(self, name: str) -> None:
        """Removes the file; one that is gone is fine."""
        with _as_os_errors():
            super().delete(name)


@contextmanager
def _as_os_errors() -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError, Boto3Error) as error:
        # Without the text, which may name the key.
        raise OSError(f"The bucket answered with {type(error).__name__}.") from error

"""How values are stored in the Redis cache: as JSON, since reading it runs no code."""

from typing import Any

from django_redis.serializers.json import JSONSerializer


class JsonValues(JSONSerializer):
    """Treats a value that is not JSON as missing, since the site did not write it."""

    def loads(self, value: bytes) -> Any:
        try:
            return super().loads(value)
        except (ValueError, RecursionError):
            return None

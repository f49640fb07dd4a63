"""How values stand in the cache in Redis: as JSON, which runs nothing when it is read."""

from typing import Any

from django_redis.serializers.json import JSONSerializer


class JsonValues(JSONSerializer):
    """What is no JSON is not ours, so there is nothing in the cache."""

    def loads(self, value: bytes) -> Any:
        try:
            return super().loads(value)
        except (ValueError, RecursionError):
            return None

"""Tests for any store of answers. Run them against your own:

    # conftest.py, so that a failed case shows its values
    pytest.register_assert_rewrite("idempotency.conformance")

    # test_my_answers.py
    class TestMyAnswers(StoreConformance):
        @pytest.fixture
        def redis_client(self):
            # Its database is flushed again and again.
            return Redis(port=6390, socket_timeout=5)

        @pytest.fixture
        def subject(self, tmp_path):
            store = MyAnswers(tmp_path / "shop.db")
            return Subject(store=store, effect=..., count_effects=...)

Each case is a test of the class. A case that needs what the store does not promise is skipped, and
says so. The cases need pytest, a Redis, and the store; they wait for nothing but one short lease.

They do not see what needs several servers, such as a failover of the database, and a crash is told
to the store as an error: whether it survives a power cut is a question to its database.
"""

from idempotency.conformance.cases import StoreConformance
from idempotency.conformance.subjects import Subject

__all__ = ["StoreConformance", "Subject"]

"""The invariants, and how history, documents, Redis and receivers are judged by them."""

"""Why a backup or a restore came to nothing; each is one sentence that says what to do."""


class BackupFailed(Exception):
    """No backup was made, and nothing of it is left."""


class RestoreFailed(Exception):
    """Nothing was restored, or the database says of itself that it is unfinished."""

"""Why a backup or a restore failed; each message is one sentence that says what to do."""


class BackupFailed(Exception):
    """No backup was made, and nothing of it is left behind."""


class RestoreFailed(Exception):
    """Nothing was restored, or the database is marked as unfinished."""

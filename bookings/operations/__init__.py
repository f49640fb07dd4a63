"""What keeps the engine running: the sweep, the doctor, backups, the replica set, demo data.

Operators and beat call it; no request of a guest or a partner does. Modules here may import every
layer below, since the doctor looks at all of them, and no entrance.
"""

"""What keeps the engine running: the sweep, the doctor, backups, the replica set, demo data.

Operators and beat call it; guests' and partners' requests never do. Modules here may import every
layer below, since the doctor inspects them all, but no entrance.
"""

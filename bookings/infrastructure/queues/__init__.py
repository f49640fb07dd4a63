"""The basis of all queues of the workers: one run at a time, schedules of retries, failed work.

Each queue is in the package of its subject, with its items and figures. Modules here may import the
other modules of `infrastructure`.
"""

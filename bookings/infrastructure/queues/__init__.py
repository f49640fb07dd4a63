"""What all queues of the workers share: one run at a time, tries again after a while, failed work.

Each queue itself, with its items and its figures, is with its subject. Modules here may import the
rest of `infrastructure`.
"""

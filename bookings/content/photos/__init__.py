"""Photos of hotels and of categories: uploaded by staff, converted by the worker, shown to guests.

Every file in the storage belongs to a row, which is written before the file and removed after it.
So whatever dies, a row remains that says what is left to do, and no one ever lists the storage.
Modules here may import `infrastructure` and the base.
"""

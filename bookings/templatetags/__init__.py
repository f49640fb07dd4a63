"""Tags and filters for templates: e-mail addresses as people read them, and warnings for staff.

A tag only shows what a service returns; what a page needs besides is put together by its view.
Modules here may import every layer below the entrances.
"""

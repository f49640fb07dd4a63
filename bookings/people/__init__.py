"""People and what belongs to them: accounts, e-mail addresses, roles, second factors, erasure.

`domain` defines callers, and `web` has the log-in pages. Modules here may import `stays` and the
layers below it, but neither `news` nor `front_desk`.
"""

"""People and what is theirs: accounts, their e-mail addresses, roles, second factors, erasure.

`domain` says who a caller is; the log-in pages are in `web`. Modules here may import `stays` and
what is below it, and neither `news` nor `front_desk`.
"""

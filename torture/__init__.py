"""A fault regime: `make torture` breaks the real site in many ways and checks what it promised."""

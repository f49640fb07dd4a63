"""`make bench`: how much work each kind of request is, beside a floor and beside a peer.

`stack` starts everything: MongoDB, Redis, the site with production's settings, the floor and the
peer. `scenarios` says what is asked, `driving` asks it, `cpu` reads the processors' clocks, and
`report` writes the figures. Requests arrive over HTTP, so this imports of the site only what fills
its database (`filling`).
"""

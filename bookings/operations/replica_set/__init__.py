"""MongoDB's replica set: made with its users by `initiation`, and its members by `changes`.

What the site knows of the set while it runs is in `infrastructure/mongodb/members.py`. Modules here
may import no other package of the engine, so that they run before there is a database.
"""

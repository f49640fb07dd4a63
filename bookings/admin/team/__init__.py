"""The pages of the team: everyone who may log in, and one page for each person.

Modules here may import the other modules of `admin`, except `desk`, and every layer below the
entrances.
"""

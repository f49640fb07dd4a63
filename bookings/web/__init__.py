"""The guests' entrance: their pages, the forms on them, and the answers to the pages' script.

Each view reads a form, calls one service and words its answer. The rules of booking are in
`stays` and below. Modules here may import every layer below the entrances.
"""

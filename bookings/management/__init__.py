"""The operators' entrance: the commands of `manage.py`.

Each command reads its arguments, calls one service and prints the result; the work itself is in the
package of its subject. Modules here may import every layer below the entrances.
"""

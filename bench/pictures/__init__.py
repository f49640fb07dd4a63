"""Paints the pictures of the demo's showcase hotels: landscapes by hand, rooms by tracing light.

Colours of landscapes are as a screen shows them, from 0 to 1. Colours of traced scenes are amounts
of light, and `light.develop` turns them into the former. Pictures are arrays of height, width, 3.
"""

"""Recorded sessions, after the drive: read, kept within limits, repaired, shown in the browser and exported.

footage.py ─ what was measured    shelf.py ─ the folder of sessions    sessions.py, player.py ─ the pages
"""

"""Backups in a second place, made with PostgreSQL's own programs, and proven by restoring them.

    base.py      a copy of the whole database, full or what changed since the one before (pg_basebackup)
    archive.py   every change as it happens (pg_receivewal on a slot), and photos and files by their hash
    restore.py   a data folder as it was at a moment, ready for `bongsu serve`
    verify.py    restores the newest copy beside the living database and compares the two
    retention.py what may go (a pure rule)

A place is a folder: a disk, or the mount of a disk, of another site. place.py says what lies in it.
"""

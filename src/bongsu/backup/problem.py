"""What goes wrong with a backup, in a sentence for people."""


class BackupFailed(Exception):
    """A backup could not be made, restored or proven; the message says why and what to do."""

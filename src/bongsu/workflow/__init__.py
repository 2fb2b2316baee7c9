"""What services stand on: timers, outbox, answers that are given again, pages, exports, and their description.

The board, booking and channels import it; it imports none of them. How a service uses it:

- Its tables stand in `store`. What changes them runs in one transaction: `Writes.once` (workflow/writes.py) for what
  touches its own rows; a `Together` (workflow/together.py), submitted to the Committer, where events of rooms must
  stand in the same commit.
- In that transaction it calls, as it needs: `store.timers.put` and `drop`, `store.outbox.put`, `store.audit.add`.
- What time it is, it asks one_clock, or `batch.now_ms`: sites' clocks differ.
- Its timers' handlers and the account in whose name it speaks are named in main.py.
"""

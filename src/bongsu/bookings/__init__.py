"""Booking of what is scarce: offers, places in the order in which people come, tickets that can be checked offline."""

"""Three sites on one machine, and everything that can happen to them."""

from bongsu.lab.building import LabFailed
from bongsu.lab.laboratory import Lab

__all__ = ["Lab", "LabFailed"]

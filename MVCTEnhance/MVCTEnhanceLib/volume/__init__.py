"""A scan in memory: its voxels in HU, its grid, and what it is among the outputs of this program."""

from .volume import SlicesOnDemand, Volume

__all__ = ["SlicesOnDemand", "Volume"]

"""MVCTEnhance: megavoltage CT converted to kilovoltage-CT quality, with readouts of how far to trust it."""

__version__ = "0.1.0"

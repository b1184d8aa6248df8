"""The task plug-ins: one file = one Config + one plug-in."""

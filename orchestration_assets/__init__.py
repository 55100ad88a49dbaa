"""Assets, checks, sensors, lineage, components and the command line over governed metrics and agents.

Imports nothing by itself, so that `dg` finds the components of an environment fast and whatever else is broken in it.
"""

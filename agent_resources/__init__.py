"""Agents: definitions, models, tools and the loop. Dagster only in the files that end in `_resource`."""

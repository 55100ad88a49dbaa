"""The door for agents outside Dagster, over the Model Context Protocol. Needs the extra `serve`."""

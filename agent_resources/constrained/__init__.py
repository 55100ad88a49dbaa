"""For chat models without good tool calling: one JSON action per turn, closed by a schema with the names that the agent may use."""

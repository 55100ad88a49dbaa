"""What is measured in a process of its own. Each module prints one JSON object."""

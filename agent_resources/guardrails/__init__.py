"""What stands between a model and what it asks for: one wrapper around its tools, or around the model, per file."""

"""A past run again, on what it was answered then: with the same or another prompt, model or limits, without the warehouse and without new grants."""

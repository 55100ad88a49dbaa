"""When agents run: what stands for each, what it last ran on, and what calls for another run."""

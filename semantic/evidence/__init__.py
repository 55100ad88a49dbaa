"""What is on record of an agent over some time, as a folder that proves itself without this package."""

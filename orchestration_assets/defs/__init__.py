"""The demonstration: flights out of New York in 2013."""

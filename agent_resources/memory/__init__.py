"""What an agent knows of before: its own facts and its own past runs, as far as it may still see what they rest on; and how much of the run
that it is in.
"""

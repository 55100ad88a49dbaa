"""Small real models, served on 127.0.0.1, answer questions on the flights through the door: how often they are right, and what that takes."""

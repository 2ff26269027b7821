"""What an operator does to a deployed stack: list failures, replay them, draw a whole bucket."""

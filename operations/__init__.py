"""What an operator does to a deployed stack: look at failures, replay them, draw a whole bucket."""

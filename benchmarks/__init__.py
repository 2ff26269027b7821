"""What README and docs state, measured."""

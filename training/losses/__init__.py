"""What the predictions are compared with their targets by."""

"""What is measured on held-out pictures."""

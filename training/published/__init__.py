"""Networks that others have published: teachers, and weights to import."""

"""Where objects are kept: S3, or a folder that behaves like it."""

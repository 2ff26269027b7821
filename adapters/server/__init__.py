"""`kirei serve`: the HTTP API on one machine, over a folder instead of S3."""

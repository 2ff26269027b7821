"""Pictures that move: read, drawn frame by frame, and written again."""

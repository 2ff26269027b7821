"""Pictures that move: read, drawn frame by frame as one, steadied and written."""

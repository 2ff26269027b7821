"""What the image consists of: the list of licences and the bill of materials."""

"""What the image is made of: the list of licences and the bill of materials."""

"""The looks that the students learn: their teachers and their colours."""

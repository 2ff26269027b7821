"""How every weight file was made: teachers, targets, students, export."""

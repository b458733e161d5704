"""Text and numbers on their way in: bytes, lines, names, values, registers, notes, inference, merging."""

"""The data files of a revision: their layout, their writer, and what the writer keeps of the parent."""

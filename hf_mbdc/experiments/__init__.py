"""Evidence that needs trainings: the methods of `guidance` joined to `training`, side by side and cached."""

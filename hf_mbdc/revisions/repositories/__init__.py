"""Where revisions live: a folder, or a Hub; one interface."""

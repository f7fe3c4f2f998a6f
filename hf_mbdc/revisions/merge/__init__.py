"""Two changes of one revision made one."""

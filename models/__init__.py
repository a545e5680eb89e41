"""Tools for pilots, and the bundled one."""

"""Pages for people. The first is the start page of a body; portals come on the same project."""

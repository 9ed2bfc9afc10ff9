"""Everything that outlives a run: folders of tables, vectors, and how they become visible."""

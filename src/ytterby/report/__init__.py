"""Results in, pages out: figures, tables, HTML, PDF."""

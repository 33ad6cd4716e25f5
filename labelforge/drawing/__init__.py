"""Pictures of a taxonomy: terminal text, SVG, PNG, an interactive HTML page, Graphviz and Mermaid sources."""

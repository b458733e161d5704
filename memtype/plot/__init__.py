"""Pictures: one axis and one table of colours, drawn in letters, in SVG and, with the ``plot`` extra, by matplotlib."""

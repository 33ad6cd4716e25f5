"""Pictures of a tree and of who supervises it: terminal text, SVG, PNG, an interactive page, Graphviz and Mermaid.

    tree = Taxonomy.load("iv2018")
    mappings = [LabelMapping.load(tree, name) for name in LabelMapping.available(tree)]
    Path("tree.svg").write_text(draw_svg(Survey.of(tree, mappings)))

A `Survey` holds everything that a picture shows; each ``draw_...`` renders it in one format. The same survey always
gives the same bytes.
"""

from labelforge.drawing.counts import counted_mappings
from labelforge.drawing.dot import draw_dot
from labelforge.drawing.html import draw_html
from labelforge.drawing.mermaid import draw_mermaid
from labelforge.drawing.png import draw_png
from labelforge.drawing.survey import Survey
from labelforge.drawing.svg import draw_svg
from labelforge.drawing.text import draw_text

"""Drafts mappings: what the labels of a new list mean in a tree, from the tree, its mappings and a list of synonyms.

    draft = draft_mapping("labels.txt", "streets")
    draft.mapping_text()

A draft says of every label how sure it is and why, and leaves what it does not know as ``{ignore: "TODO: ..."}``.
"""

from labelforge.draft.drafting import Draft, check_new, draft_mapping
from labelforge.draft.lists import LabelList, read_labels
from labelforge.draft.match import Sureness
from labelforge.draft.measure import Measured, leave_one_out
from labelforge.draft.proposal import Proposal
from labelforge.draft.table import markdown_table
from labelforge.draft.writer import WORDS, counts

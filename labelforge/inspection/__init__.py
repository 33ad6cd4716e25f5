"""What finished shards hold: in numbers, in pictures, and whether they are still what was written.

`LabelCounts` and `label_statistics` read only the indexes, and `choose_different` picks by these the samples that are
worth looking at; `gallery` makes a page of them and `terminal` shows them in words; `verify_shards` reads every byte.
"""

from labelforge.inspection.choice import choose_different
from labelforge.inspection.counts import LabelCounts
from labelforge.inspection.labels import LabelLine, label_lines
from labelforge.inspection.statistics import label_statistics
from labelforge.inspection.verification import Verification, verify_shards

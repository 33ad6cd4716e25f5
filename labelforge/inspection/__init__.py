"""What finished shards hold: in numbers, in pictures, and whether they are still what was written.

`LabelCounts` and `label_statistics` read only the indexes; `choose_different` and `Gallery` pick the samples that are
worth looking at; `verify_shards` reads every byte.
"""

from labelforge.inspection.choice import choose_different
from labelforge.inspection.counts import LabelCounts
from labelforge.inspection.labels import LabelLine, label_lines
from labelforge.inspection.statistics import label_statistics
from labelforge.inspection.verification import Verification, verify_shards

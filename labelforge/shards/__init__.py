"""Shards: WebDataset tar files with an index for random access, and a manifest that gives their label maps meaning.

    OUT/manifest.json             what the folder holds: tree, label table, options, shards with digests, totals
    OUT/shard-00000.tar           <key>.jpg|.png|.npy   <key>.label.png   <key>.json
    OUT/shard-00000.index.json    per sample: key, where its members are, height, width, pixels per label, some places

`ShardReader` reads them, `write_shard` and `Manifest.write` write them. The modules are `manifest` and `index` (the
JSON files as validated data, with `records`), `codec` (images and label maps), `label_png` (how the latter are
written), `storage` (a `folder`: `local_folder` or `remote_folder`), `claim` (who may write), `writer` and `reader`.
"""

from labelforge.shards.codec import IMAGE_SUFFIXES, LABEL_SUFFIX, encode_image
from labelforge.shards.folder import Folder
from labelforge.shards.index import ShardIndex, ShardSummary, SkippedSample
from labelforge.shards.label_png import encode_label
from labelforge.shards.manifest import MANIFEST_NAME, LabelRecord, Manifest, ShardRecord, TaxonomyRecord, Totals
from labelforge.shards.reader import Sample, ShardReader, stored_mapping, stored_taxonomy
from labelforge.shards.records import VERSION
from labelforge.shards.storage import open_folder
from labelforge.shards.writer import EncodedSample, escape_key, write_shard

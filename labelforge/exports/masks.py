"""Label maps beside images, in the layout that most training code reads: two trees of the same relative paths.

images/<split>/<dataset>/<key>.jpg      the image, as it came
labels/<split>/<dataset>/<key>.png      palette picture of 8 bits (16 bit grey for more than 255 classes)
<split>.txt                             a line per sample: image, tab, label map
<name>_dataset.py                       the same for mmsegmentation (1.x)
README.txt
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import IO, Final

from labelforge.exports.samples import ExportSample
from labelforge.exports.writer import Plan, Writer
from labelforge.shards import encode_label

_README: Final = """\
{name}: images and label maps, made by labelforge from the tree {tree}.

{lists} list the samples: image, a tab, label map; both relative to this folder.
A label map is a PNG of {mode}. Its values are class ids, {ignore} = ignore.
classes.json says what each id is (id, name, color, nodes of the tree, pixels) and what became of every label.

    from PIL import Image; import numpy as np
    labels = np.asarray(Image.open(path))     # (H, W) ids
    loss = torch.nn.CrossEntropyLoss(ignore_index={ignore})
{notes}"""
_OPENCV: Final = """
OpenCV would turn these palette pictures into colours: read them with PIL (mmcv: backend 'pillow', its default).
"""
_SPARSE: Final = """
The ids are those of {dataset}, so they have gaps. Networks want positions: the order of classes.json.
"""
_NO_MMSEG: Final = """
There is no file for mmsegmentation: it reads label maps as 8 bits, and these classes need 16.
"""
_MMSEG: Final = '''\
"""Dataset for mmsegmentation 1.x: import this file (custom_imports) and use type={kind!r}.

The folder of this file is the data_root, unless another is given. Label maps are read with imdecode_backend='pillow',
which is the default of LoadAnnotations.
"""

import os.path as osp

from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS


@DATASETS.register_module()
class {kind}(BaseSegDataset):
    METAINFO = dict(
        classes=(
{classes}        ),
        palette=[
{palette}        ],
    )
    IDS = {ids}  # the values in label maps, by class

    def __init__(self, ann_file={ann_file!r}, data_root=None, **kwargs):
        kwargs.setdefault("ignore_index", {ignore})
        super().__init__(ann_file=ann_file, data_root=data_root or osp.dirname(osp.abspath(__file__)), **kwargs)

    def load_data_list(self):
        """Read a list of pairs: the images have more than one suffix."""
        label_map = {{old: new for new, old in enumerate(self.IDS)}}
        if self.label_map is not None:  # the configuration names other classes
            label_map = {{old: self.label_map[new] for old, new in label_map.items()}}
        if all(old == new for old, new in label_map.items()):
            label_map = None
        samples = []
        with open(self.ann_file, encoding="utf-8") as lines:
            for line in lines:
                image, label = line.rstrip("\\n").split("\\t")
                samples.append(
                    dict(
                        img_path=osp.join(self.data_root, image),
                        seg_map_path=osp.join(self.data_root, label),
                        label_map=label_map,
                        reduce_zero_label=self.reduce_zero_label,
                        seg_fields=[],
                    )
                )
        return samples
'''


class MasksWriter(Writer):
    """Writes images, label maps, lists and the files that say how to read them."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        super().__init__(folder, plan)
        self._lists: dict[str, IO[str]] = {}

    def add(self, sample: ExportSample) -> None:
        """Write an image, its label map, and a line of its split's list."""
        image = f"images/{sample.split}/{sample.place}.{sample.suffix}"
        label = f"labels/{sample.split}/{sample.place}.png"
        self.put(image, sample.image)
        self.put(label, encode_label(sample.values, self.plan.cut.palette))
        if sample.split not in self._lists:
            self._lists[sample.split] = self.text(f"{sample.split}.txt")
        self._lists[sample.split].write(f"{image}\t{label}\n")

    def finish(self) -> tuple[str, ...]:
        """Write the file for mmsegmentation and the README."""
        cut = self.plan.cut
        sparse = [c.id for c in cut.classes] != list(range(len(cut.classes)))
        notes = _OPENCV if cut.bits == 8 else _NO_MMSEG
        if sparse:
            notes += _SPARSE.format(dataset=cut.dataset)
        readme = _README.format(
            name=self.plan.name,
            tree=cut.tree.name,
            lists=", ".join(f"{split}.txt" for split in self.plan.splits),
            mode="8 bits with a palette" if cut.bits == 8 else "16 bits grey",
            ignore=cut.ignore,
            notes=notes,
        )
        self.describe("README.txt", readme)
        if cut.bits == 8:
            self.describe(f"{module_name(self.plan.name)}_dataset.py", self._mmseg())
        return ()

    def _mmseg(self) -> str:
        cut = self.plan.cut
        kind = "".join(word.capitalize() for word in module_name(self.plan.name).split("_")) + "Dataset"
        splits = self.plan.splits
        return _MMSEG.format(
            kind=kind if not kind[0].isdigit() else f"_{kind}",
            classes="".join(f"            {c.name!r},\n" for c in cut.classes),
            palette="".join(f"            {list(c.color)},\n" for c in cut.classes),
            ids=[c.id for c in cut.classes],
            ann_file=f"{'train' if 'train' in splits else splits[0]}.txt",
            ignore=cut.ignore,
        )


def module_name(name: str) -> str:
    """A folder's name as the name of a Python module."""
    words = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    if not words:
        return "exported"
    return words if not words[0].isdigit() else f"set_{words}"

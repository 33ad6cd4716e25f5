"""How well boxes show their objects, as they are and refined: against masks that people drew.

    python benchmarks/refine_boxes.py --cityscapes ROOT [--split val]    boxes around the instances of gtFine
    python benchmarks/refine_boxes.py --gtsdb ROOT --masks DIR           signs, against the method's authors' masks

For every object, three ways to fill its box: the whole box, the ellipse that touches its sides, and `--refine`. Printed
are the means over the objects of three shares: IoU (of what either covers, what both do), purity (of what is filled,
what shows the object: what a network trained on boxes is taught wrong is the rest), and recall (of the object, what is
filled). `docs/BOXES.md` has what was measured.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from labelforge.converters.datasets.gtsdb import Gtsdb
from labelforge.converters.labels.boxes import Cover, draw_boxes
from labelforge.converters.labels.refine import refined
from labelforge.label_space import LabelSpace

SMALLEST = 100  # pixels of a box: below, no way of filling it matters
Picture = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Object = tuple[str, Picture, Mask, tuple[int, int, int, int]]
"""Name of its class, image, where it is, and its box: left, top, right, bottom."""


def cityscapes(root: Path, split: str) -> Iterator[Object]:
    """The instances of Cityscapes' label maps, with the boxes that fit them."""
    names = {label.id: label.name for label in LabelSpace.load("cityscapes").labels}
    for path in sorted((root / "gtFine" / split).rglob("*_gtFine_instanceIds.png")):
        frame = path.name.removesuffix("_gtFine_instanceIds.png")
        image = root / "leftImg8bit" / split / path.parent.name / f"{frame}_leftImg8bit.png"
        picture, instances = np.asarray(Image.open(image).convert("RGB")), np.asarray(Image.open(path))
        for value in np.unique(instances[instances >= 1000]).tolist():
            mask = instances == value
            rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
            yield names[value // 1000], picture, mask, (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)


def gtsdb(root: Path, masks: Path) -> Iterator[Object]:
    """The signs of GTSDB whose image and mask are there; a mask holds 2000 + class."""
    converter = Gtsdb(root)
    for number, signs in sorted(converter.signs.items()):
        images = [path for path in converter.root.glob(f"{number:05d}.*") if path.suffix != ".txt"]
        mask = masks / f"{number:05d}_labelIds.png"
        if not images or not mask.is_file():
            continue
        picture, labels = np.asarray(Image.open(images[0]).convert("RGB")), np.asarray(Image.open(mask))
        for sign in signs:
            here = np.zeros(labels.shape, dtype=np.bool_)
            window = slice(sign.top - 2, sign.bottom + 3), slice(sign.left - 2, sign.right + 3)
            here[window] = labels[window] == 2000 + sign.class_id
            box = (sign.left, sign.top, sign.right + 1, sign.bottom + 1)
            yield converter.names[sign.class_id], picture, here, box


def fill(
    picture: Picture, box: tuple[int, int, int, int], shape: str, change: Callable[[int, Cover], Cover] | None
) -> Mask:
    """The pixels of a filled box."""
    return draw_boxes([box], [shape], [1], picture.shape[:2], background=0, change=change) == 1


def measure(objects: Iterator[Object]) -> None:
    """Print the table."""
    found: dict[str, dict[str, list[tuple[float, float, float]]]] = defaultdict(lambda: defaultdict(list))
    for name, picture, mask, box in objects:
        if (box[2] - box[0]) * (box[3] - box[1]) < SMALLEST or not mask.any():
            continue
        ways = {
            "whole box": fill(picture, box, "rectangle", None),
            "ellipse": fill(picture, box, "circle", None),
            "refined": fill(picture, box, "rectangle", lambda _, cover, picture=picture: refined(picture, cover)),
        }
        for way, filled in ways.items():
            both = int((filled & mask).sum())
            scores = (both / int((filled | mask).sum()), both / int(filled.sum()), both / int(mask.sum()))
            for group in ("all", name):
                found[group][way].append(scores)
    print(f"{'class':<28}{'objects':>8}  {'way':<11}{'IoU':>7}{'purity':>8}{'recall':>8}")
    for group in sorted(found, key=lambda name: -len(found[name]["refined"])):
        for way, scores in found[group].items():
            means = np.mean(scores, axis=0)
            print(f"{group:<28}{len(scores):>8}  {way:<11}" + "".join(f"{mean:>8.3f}" for mean in means)[1:])


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description="How well boxes show their objects, as they are and refined.")
    parser.add_argument("--cityscapes", type=Path, metavar="ROOT")
    parser.add_argument("--split", default="train")
    parser.add_argument("--gtsdb", type=Path, metavar="ROOT")
    parser.add_argument("--masks", type=Path, metavar="DIR")
    chosen = parser.parse_args()
    if chosen.cityscapes:
        measure(cityscapes(chosen.cityscapes, chosen.split))
    if chosen.gtsdb and chosen.masks:
        measure(gtsdb(chosen.gtsdb, chosen.masks))


if __name__ == "__main__":
    main()

"""Protocols in label spaces: what is read, and that every mistake is one line with its place and its cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from labelforge import LabelSpace, Protocol, TaxonomyError
from labelforge.protocol import ProtocolClass

SPACE = """\
name: small
source: "a table"
labels:
  - {id: 0, name: void}
  - {id: 1, name: road}
  - {id: 2, name: lane}
  - {id: 3, name: car}
"""
PROTOCOL = """\
protocol:
  benchmark: Small
  metric: mIoU
  source: "a paper"
"""


def load(folder: Path, more: str) -> LabelSpace:
    file = folder / "small.yaml"
    file.write_text(SPACE + PROTOCOL + more)
    return LabelSpace.load(file)


def test_classes_may_unite_labels(tmp_path: Path) -> None:
    found = load(
        tmp_path,
        "  classes: [car, {name: ground, labels: [road, lane]}]\n"
        "  categories: {all: [car, ground]}\n"
        "  measure: accuracy\n  mean_over: all\n  other_decisions: left-out\n",
    ).protocol
    assert found == Protocol(
        benchmark="Small",
        metric="mIoU",
        source="a paper",
        classes=(ProtocolClass(name="car", labels=("car",)), ProtocolClass(name="ground", labels=("road", "lane"))),
        measure="accuracy",
        categories={"all": ("car", "ground")},
        mean_over="all",
        other_decisions="left-out",
    )
    assert found.title == "mIoU, 2 classes (Small)"


def test_left_out_leaves_the_others_in_their_order(tmp_path: Path) -> None:
    found = load(tmp_path, "  left_out: [void]\n").protocol
    assert found is not None
    assert [entry.labels for entry in found.classes] == [("road",), ("lane",), ("car",)]
    assert (found.measure, found.mean_over, found.other_decisions) == ("iou", "labelled or decided", "wrong")
    everything = load(tmp_path, "  left_out: []\n").protocol
    assert everything is not None
    assert len(everything.classes) == 4


def test_a_label_space_needs_no_protocol(tmp_path: Path) -> None:
    file = tmp_path / "small.yaml"
    file.write_text(SPACE)
    assert LabelSpace.load(file).protocol is None


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("", ":8: a protocol names either its classes or what is left_out. Keep one of the two keys"),
        ("  classes: [car]\n  left_out: [void]\n", ":8: a protocol names either its classes or what is left_out."),
        ("  classes: [car, rod]\n", ":12: there is no label 'rod'. Did you mean 'road'?"),
        ("  classes: [car, car]\n", ":12: the label 'car' is named twice. Name it once."),
        ("  classes: [{name: a, labels: [car]}, {name: a, labels: [road]}]\n", ":12: the class 'a' is named twice."),
        ("  classes: [car, {name: a, labels: [car]}]\n", ":12: the label 'car' is named twice."),
        ("  left_out: [voit]\n", ":12: there is no label 'voit'. Did you mean 'void'?"),
        ("  left_out: [void]\n  categories:\n    x: [void]\n", ":14: there is no class 'void'."),
        ("  left_out: [void]\n  mean_over: some\n", ":13: protocol.mean_over: must be 'labelled or decided',"),
        ("  left_out: [void]\n  measur: iou\n", ":13: unknown key 'measur'. Did you mean 'measure'?"),
        ("  classes: [{name: a, label: [car]}]\n", ":12: unknown key 'label'. Did you mean 'labels'?"),
    ],
)
def test_mistakes_have_their_line(tmp_path: Path, more: str, message: str) -> None:
    with pytest.raises(TaxonomyError) as caught:
        load(tmp_path, more)
    assert f"small.yaml{message}" in str(caught.value)

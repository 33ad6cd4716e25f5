"""How predictions are called: after their images, after a template, or as a benchmark's own tools expect.

A benchmark's name also stands for its label space: its tools find files by name, and then read certain ids in them.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from labelforge.errors import ConfigError, did_you_mean
from labelforge.trainer.id_maps import TREE
from labelforge.trainer.input_files import InputFile

_FIELDS = ("stem", "folder")


@dataclass(frozen=True)
class Benchmark:
    """What the tools of a benchmark expect.

    Attributes:
        template: Name of a prediction; ``stem`` is what the pattern's group of that name found.
        stem: Pattern of the names of its images, without suffix.
        example: Such a name, for messages.
    """

    template: str = "{stem}"
    stem: str = r"(?P<stem>.+)"
    example: str = ""


BENCHMARKS: dict[str, Benchmark] = {
    # cityscapesscripts, evaluation/evalPixelLevelSemanticLabeling.py, getPrediction: <city>_<6 digits>_<6 digits>*.png,
    # anywhere below the results folder; 8 bit label ids (not train ids), one file per image.
    "cityscapes": Benchmark(
        "{stem}_labelIds", r"(?P<stem>[^_]+_\d{6}_\d{6})(_.*)?", "frankfurt_000000_000294_leftImg8bit"
    ),
    # mapillary/mapillary_vistas, evaluation/evaluation.py: the ground truth's own path, KEY.png; 8 bit positions in the
    # release's configuration file.
    "mapillary-vistas-1.2": Benchmark(),
    "mapillary-vistas-2.0": Benchmark(),
    # CSAILVision/sceneparsing, README: the image's name with png instead of jpg; 0 to 150, 0 is not scored.
    "ade20k-150": Benchmark(stem=r"(?P<stem>ADE_(train|val|test)_\d{8})", example="ADE_val_00000001"),
    # bdd100k/bdd100k, bdd100k/eval/seg.py: the ground truth's own name; 8 bit train ids, any other value is void.
    "bdd100k": Benchmark(),
}
"""By the name of the label space whose ids the tools read."""


def label_space_of(name_as: str | None, label_space: str | None) -> str:
    """The label space to write: the one asked for, or the benchmark's, or the tree's.

    Raises:
        ConfigError: The benchmark's tools read ids of another label space.
    """
    if name_as in BENCHMARKS and label_space not in (None, name_as):
        raise ConfigError(
            f"the tools of {name_as} read its own ids, not those of {label_space}",
            cure="Leave --label-space out, or name the files with a template such as '{stem}'.",
        )
    return label_space or (name_as if name_as in BENCHMARKS else None) or TREE


def output_names(inputs: Sequence[InputFile], name_as: str | None = None) -> list[str]:
    """A unique name for each input, without suffix.

    Args:
        inputs: Images and videos.
        name_as: A benchmark, or a template with ``{stem}`` (the file's name without suffix) and perhaps ``{folder}``
            (where it is below the folder or pattern that was given); default: the stem, and where several share it,
            with the suffix and as much of the folders as needed. The default is unique even where case is ignored.

    Raises:
        ConfigError: The benchmark or a field of the template is unknown, an image is not named as in the benchmark, or
            two inputs would get one name.
    """
    if name_as is None:
        return _distinct_stems(inputs)
    if "{" not in name_as and name_as not in BENCHMARKS:
        cure = f"{did_you_mean(name_as, BENCHMARKS)} Or give a template such as '{{folder}}/{{stem}}'."
        raise ConfigError(f"no benchmark is called {name_as!r}", cure=cure)
    names = [_benchmark_name(file, name_as) if name_as in BENCHMARKS else _filled(file, name_as) for file in inputs]
    first: dict[str, InputFile] = {}
    for file, name in zip(inputs, names, strict=True):
        other = first.setdefault(name.casefold(), file)  # some file systems ignore case
        if other is not file:
            what = f"would be called {name!r}, as {other.path} would"
            raise ConfigError(what, where=file.path, cure="Segment them in two runs, or use {folder} in a template.")
    return names


def _benchmark_name(file: InputFile, name: str) -> str:
    benchmark = BENCHMARKS[name]
    found = re.fullmatch(benchmark.stem, file.path.stem)
    if found is None:
        cure = (
            f"Its images are called like {benchmark.example}; leave others out, or use a template such as '{{stem}}'."
        )
        raise ConfigError(f"is not named as an image of {name}", where=file.path, cure=cure)
    return benchmark.template.format(stem=found["stem"])


def _filled(file: InputFile, template: str) -> str:
    try:
        fields = [field for _, field, _, _ in string.Formatter().parse(template) if field is not None]
    except ValueError as fault:
        raise ConfigError(f"the template {template!r} cannot be read ({fault})", cure="Write it as '{stem}'.") from None
    for field in fields:
        if field not in _FIELDS:
            raise ConfigError(f"the template {template!r} has a field {field!r}", cure=did_you_mean(field, _FIELDS))
    filled = template.format(stem=file.path.stem, folder=file.folder).removesuffix(".png").strip("/")
    if ".." in PurePosixPath(filled).parts or not filled:
        raise ConfigError(f"the template {template!r} gives {filled!r}", cure="Name a file in the output folder.")
    return filled


def _distinct_stems(inputs: Sequence[InputFile]) -> list[str]:
    files = [file.path for file in inputs]
    names = [file.stem for file in files]
    parts = [[*file.resolve().parts[1:-1], file.stem, file.suffix.removeprefix(".")] for file in files]
    for length in range(2, max(map(len, parts), default=0) + 1):
        clashes = {name for name, count in Counter(name.casefold() for name in names).items() if count > 1}
        if not clashes:
            break
        for i, name in enumerate(names):
            if name.casefold() in clashes:
                names[i] = "_".join(part for part in parts[i][-length:] if part)
    seen: Counter[str] = Counter()
    for i, name in enumerate(names):
        seen[name.casefold()] += 1
        if seen[name.casefold()] > 1:  # only paths like a_b/c and a/b_c come here
            names[i] = f"{name}_{seen[name.casefold()]}"
    return names

"""Reads JSON files of annotations: whole, or of a long list one entry at a time.

The files that describe a whole dataset (COCO's hold a gigabyte) are read entry by entry, so that memory holds neither
their text nor their objects (`labelforge.converters.annotations.json_stream`). Converters take entries apart inside
`reading`, which says where one has another form than they expect.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from json import JSONDecodeError
from pathlib import Path
from typing import Any, Final

from labelforge.converters.annotations.json_stream import DECODER, EntryPlace, Record, read_entry, read_lists
from labelforge.converters.files import open_file, read_file
from labelforge.converters.labels.labeled_boxes import FARTHEST
from labelforge.errors import DatasetError

CURE: Final = "Make or unpack the annotations again."


_WORDS: Final = ("true", "false", "null", "-")  # of which JSON that breaks off may have the beginning
_FLAGS: Final[Mapping[str, bool]] = {
    **dict.fromkeys(("1", "1.0", "true", "yes"), True),
    **dict.fromkeys(("0", "0.0", "false", "no", "", "none"), False),
}


def read_json(path: Path, cure: str = CURE) -> Any:
    """The content of a JSON file.

    Args:
        path: The file.
        cure: What to do if it is broken.

    Raises:
        DatasetError: The file is missing or is not JSON, or is nested too deeply, or holds NaN or Infinity.
    """
    return parse(_text(path, cure), path, cure)


def parse(text: str, place: Path, cure: str = CURE) -> Any:
    """The content of JSON text; raises what `read_json` raises, naming ``place``."""
    try:
        return DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise _not_json(place, error, cure) from error


@contextmanager
def reading(place: Path, what: str, cure: str = CURE) -> Iterator[None]:
    """Turn the errors of taking an entry apart into one that names the file and the entry.

        >>> from pathlib import Path
        >>> from labelforge.converters.annotations.json_files import reading
        >>> with reading(Path("a.json"), "annotation 3"):
        ...     {"id": 3}["bbox"]
        Traceback (most recent call last):
        labelforge.errors.DatasetError: a.json: annotation 3 has no 'bbox'. Make or unpack the annotations again.

    Raises:
        DatasetError: The block raised a KeyError, IndexError, TypeError, ValueError or AttributeError.
    """
    try:
        yield
    except KeyError as error:
        raise DatasetError(f"{what} has no {error}", where=place, cure=cure) from error
    except (IndexError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DatasetError(f"{what} is not of the form expected ({error})", where=place, cure=cure) from error


def flag(value: Any) -> bool:
    """Whether an annotation has a mark such as ``iscrowd``, from 0, 1, false or true, also as text; none is no mark.

        >>> from labelforge.converters.annotations.json_files import flag
        >>> flag("0"), flag(True), flag(None)
        (False, True, False)

    Raises:
        ValueError: It is something else.
    """
    found = _FLAGS.get(str(value).strip().lower())
    if found is None:
        raise ValueError(f"{str(value)[:40]!r} is neither 0 nor 1")
    return found


def corners(value: Any) -> list[tuple[float, float]]:
    """The corners of an outline, from [[x, y], ...] or [x, y, x, y, ...].

    Raises:
        TypeError: It is no list.
        ValueError: It has another form, or is no place in an image.
    """
    if not isinstance(value, list | tuple):
        raise TypeError(f"an outline is {repr(value)[:40]}, no list of corners")
    flat = [float(number) for pair in value for number in (pair if isinstance(pair, list | tuple) else [pair])]
    if len(flat) % 2:
        raise ValueError(f"an outline has {len(flat)} numbers, which are no pairs of x and y")
    wild = [number for number in flat if not abs(number) <= FARTHEST]
    if wild:
        raise ValueError(f"the coordinate {wild[0]:g} is no place in an image")
    return list(zip(flat[::2], flat[1::2], strict=True))


def records(path: Path, lists: Mapping[str, bool]) -> Iterator[tuple[str, Any, str]]:
    """The entries of lists at the top of a JSON file, one after the other; no more than one is held.

        >>> from pathlib import Path
        >>> from labelforge.converters.annotations.json_files import records
        >>> [(name, entry["file_name"]) for name, entry, _ in records(Path("data/coco.json"), {"images": True})]
        [('images', '000000000001.jpg')]

    Args:
        path: A file that holds an object; or a list, whose name is "".
        lists: Names of the lists wanted -> whether there must be one.

    Yields:
        Name of the list, an entry, and the entry's own text.

    Raises:
        DatasetError: The file is missing, is not JSON or of another form, or lacks a list that must be there.
    """
    for record in located(path, lists):
        yield record.name, record.entry, record.text


def fault_of_json(path: Path) -> str | None:
    """What is wrong with a JSON file of any form; None if nothing is."""
    try:
        with open_file(path, CURE) as stream:
            for _ in read_lists(stream, {}):
                pass
    except UnicodeDecodeError:
        return "is not UTF-8 text"
    except (ValueError, RecursionError, EOFError) as error:
        return _not_json(path, error, CURE).what
    return None


def breaks_off(size: int) -> str:
    """What is wrong with a JSON file whose end is missing, of so many bytes."""
    return f"is no whole JSON: it breaks off at byte {size:,}"


def located(path: Path, lists: Mapping[str, bool], cure: str = CURE) -> Iterator[Record]:
    """What `records` gives, with the place of each entry in the file; raises what it raises."""
    with open_file(path, cure) as stream:
        try:
            yield from read_lists(stream, lists)
        except KeyError as error:
            raise DatasetError(f"holds no list {error}", where=path, cure=cure) from error
        except UnicodeDecodeError as error:
            raise _not_text(path) from error
        except (ValueError, RecursionError, EOFError) as error:
            raise _not_json(path, error, cure) from error


def entries_at(path: Path, places: Sequence[EntryPlace]) -> Iterator[Any]:
    """Entries of a file that `located` has found before.

    Raises:
        DatasetError: The file is missing or has changed since.
    """
    with open_file(path, CURE) as stream:
        for place in places:
            try:
                yield read_entry(stream, place)
            except ValueError as error:
                cure = "Convert again, and leave the file as it is meanwhile."
                raise DatasetError(str(error), where=path, cure=cure) from error


def _text(path: Path, cure: str) -> str:
    data = read_file(path, cure)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _not_text(path) from error


def _not_text(path: Path) -> DatasetError:
    return DatasetError("is not UTF-8 text", where=path, cure="Save it as UTF-8, or make or unpack it again.")


def _not_json(path: Path, error: Exception, cure: str) -> DatasetError:
    if isinstance(error, RecursionError):
        return DatasetError("is nested too deeply to be annotations", where=path, cure=cure)
    end = _end(path, error)
    what = f"is not JSON of the form expected ({error})" if end is None else breaks_off(end)
    return DatasetError(what, where=path, cure=cure)


def _end(path: Path, error: Exception) -> int | None:
    """How long JSON is that breaks off, in bytes; None if something else is wrong with it."""
    if isinstance(error, EOFError):
        return path.stat().st_size
    if isinstance(error, JSONDecodeError):
        rest = error.doc[error.pos :].strip()
        whole = not error.msg.startswith("Unterminated string") and not any(word.startswith(rest) for word in _WORDS)
        return None if whole else len(error.doc.encode())
    return None

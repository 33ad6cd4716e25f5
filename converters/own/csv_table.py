"""Reads a CSV file as a table of texts, whatever is between its columns."""

from __future__ import annotations

import csv
import io
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Final

import pandas as pd

from labelforge.converters.files import read_file
from labelforge.converters.own.marks import LARGEST_SHARED, check_length
from labelforge.errors import DatasetError, counted

SEPARATORS: Final = ",;\t|"
"""What can be between columns; where a line has none of them, white space is."""


def separator_of(line: str) -> str:
    """What is between the columns of a line: what it has most, or " " for any white space."""
    best = max(SEPARATORS, key=line.count)
    return best if best in line or not line.split(maxsplit=1)[1:] else " "


def fields_of(line: str) -> list[str]:
    """The fields of the first line of a CSV file, without what is around them."""
    separator = separator_of(line)
    try:
        rows = [line.split()] if separator == " " else [*csv.reader([line], delimiter=separator, skipinitialspace=True)]
    except csv.Error:
        return []
    return [field.strip().strip('"') for row in rows for field in row]


def csv_table(path: Path, separator: str | None = None, *, header: bool = True) -> pd.DataFrame:
    """The table of a CSV file, as text.

    Args:
        path: The file.
        separator: What is between columns, " " for any white space; None for what the first line has most.
        header: Whether the first line names the columns; else they are numbered from 0.

    Raises:
        DatasetError: The file is missing, too long or no CSV, or a line is wrong.
    """
    check_length(path, LARGEST_SHARED)
    data = read_file(path, "Correct the path of the labels in dataset.yaml.")
    try:
        text = data.decode("utf-8-sig")
        between = separator or separator_of(text.partition("\n")[0])
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # a line with more values than there are columns
            table: pd.DataFrame = pd.read_csv(
                io.StringIO(text),
                sep=r"\s+" if between == " " else between,
                header=0 if header else None,
                dtype=str,
                keep_default_na=False,
                index_col=False,
                skip_blank_lines=False,
            )
    except (ValueError, pd.errors.ParserWarning, csv.Error) as error:
        if isinstance(error, (pd.errors.ParserError, pd.errors.ParserWarning)):
            _check_lines(path, text, between, str(error))
        what = f"is no CSV ({' '.join(str(error).split())})"
        more = "with a first line that names columns" if header else "with as many columns in each line"
        raise DatasetError(what, where=path, cure=f"Save it as UTF-8, {more}.") from None
    return table.fillna("")  # a line of white space that is shorter than the others


def _check_lines(path: Path, text: str, separator: str, fault: str) -> None:
    """Raise a `DatasetError` that names the line that is wrong, if it is found: too long, or with an open quote.

    Args:
        path: The file, for messages.
        text: Its text.
        separator: What is between columns.
        fault: What pandas says of it.
    """
    lines = csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=separator == " ")
    first, start, end = 0, 1, 0
    with suppress(csv.Error):  # what else is wrong is said by others
        for values in lines:
            number = len(values if separator != " " else [value for value in values if value])
            start, end = end + 1, lines.line_num
            first = first or number
            if number > first:
                what = f"has {counted(number, 'value')}, but the first line has {first}"
                sign = "white space" if separator == " " else repr(separator)
                cure = f"Correct the line; a value with {sign} in it needs quotes around it."
                raise DatasetError(what, where=path, line=start, cure=cure)
    if "EOF inside string" in fault:  # all that is behind the quote is in the last line
        raise DatasetError("a quote is not closed", where=path, line=start, cure="Close it, or delete it.")

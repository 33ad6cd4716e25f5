"""Errors as people see them."""

from __future__ import annotations

from labelforge.errors import DatasetError


def test_an_error_is_one_line_that_a_terminal_can_show_whatever_a_file_holds() -> None:
    text = str(DatasetError("the label 'a\x1b[31m\x00\u202eb\udcff' is none", where="x\ny", cure="Rename\tit."))
    assert text == r"x y: the label 'a\x1b[31m\x00\u202eb\udcff' is none. Rename it."

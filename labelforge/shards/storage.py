"""Opens the folder of shards that a path or URL means."""

from __future__ import annotations

import os

from labelforge.errors import ShardError
from labelforge.shards.folder import Folder
from labelforge.shards.local_folder import LocalFolder
from labelforge.shards.remote_folder import RemoteFolder


def open_folder(url: str | os.PathLike[str]) -> Folder:
    """The folder at a path or an fsspec URL; it need not exist yet.

    Raises:
        ShardError: The URL is empty, or its protocol is unknown or its package not installed.
    """
    text = os.fspath(url)
    if not text:
        raise ShardError("the name of the shard folder is empty", cure="Give a name; '.' is the current folder.")
    return LocalFolder(text) if "://" not in text or text.startswith("file://") else RemoteFolder(text)

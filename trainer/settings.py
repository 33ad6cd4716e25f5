"""Where a training configuration comes from: a YAML file, single settings on top of it, and a preset below both.

A file holds any part of :class:`~labelforge.trainer.config.TrainConfig`; what it leaves out keeps its default, or the
preset's value. A key that no model knows is an error with file, line and the nearest known name.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from pydantic import BaseModel

from labelforge.errors import ConfigError
from labelforge.trainer.config import DataConfig, LossConfig, ModelConfig, OptimConfig, TrainConfig
from labelforge.trainer.presets import PRESETS, overlay
from labelforge.yamlfile import YamlFile


def load_config(
    source: TrainConfig | str | os.PathLike[str] | None = None, settings: Sequence[str] = ()
) -> TrainConfig:
    """Read a configuration file and apply single settings on top.

        >>> from labelforge.trainer import load_config
        >>> load_config(settings=["optim.lr=0.02", "data.crop=[256, 512]"]).data.crop
        (256, 512)

    Args:
        source: YAML file with any part of :class:`TrainConfig`, or a configuration, or None for the defaults.
        settings: ``key=value`` texts with dotted keys (``optim.lr=0.02``); the value is YAML
            (``data.crop=[256, 512]``). A mapping is merged with what is there, key by key. ``preset=authors`` lies
            below the file, wherever it stands.

    Raises:
        ConfigError: A fault in the file (with its line) or in a setting (with the setting).
    """
    base: dict[str, Any] = {}
    if isinstance(source, TrainConfig):
        base = source.model_dump(mode="json")
    elif source is not None:
        file = YamlFile.load(source, ConfigError)
        file = file if file.data is not None else replace(file, data={})
        file.validate(TrainConfig)
        base = file.data
    layers = [(text, _parse_setting(text)) for text in settings]
    for text, layer in layers:
        _check_preset_shows(base, layer.get("preset"), text)
    merged = base
    for _, layer in layers:
        merged = overlay(merged, layer)
    try:
        config = _validate(merged)
    except ConfigError as fault:
        blamed = next((text for text, layer in layers if not _is_valid(overlay(base, layer))), None)
        where = "--set" if blamed is None else f"--set {blamed}"
        raise ConfigError(fault.what, where=where, cure=fault.cure) from None
    for text, layer in layers:
        _check_counts(config, layer, text)
    return config


def describe_fields(model: type[BaseModel] = TrainConfig, prefix: str = "") -> Iterator[tuple[str, str, str, str]]:
    """Every setting as (dotted key, type, default, description), in the order of the models."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from describe_fields(kind, f"{prefix}{name}.")
            continue
        default = field.get_default(call_default_factory=True)
        yield prefix + name, _kind_name(kind), _yaml_text(default), field.description or ""


def _check_preset_shows(base: Mapping[str, Any], preset: Any, text: str) -> None:
    """Refuse a preset that nothing would come of, because all that it sets is set above it."""
    if not isinstance(preset, str) or preset not in PRESETS or base.get("preset") == preset:
        return
    for setting in PRESETS[preset]:
        group, _, name = setting.key.rpartition(".")
        if name not in (base.get(group, {}) if group else base):
            return
    what = "this would change nothing: the configuration below it, a file or that of a run, sets all that a preset sets"
    raise ConfigError(what, where=f"--set {text}", cure="Start a new run with the preset, or set single values.")


def _check_counts(config: TrainConfig, layer: Mapping[str, Any], text: str) -> None:
    """Refuse a setting that would change nothing beside the others: for a schedule, a decoder that is not there."""
    optim, model, data, loss = config.optim, config.model, config.data, config.loss
    poly, adamw = optim.schedule == "poly", optim.optimizer == "adamw"
    flat, no_gate = model.head != "hierarchical", (f"{model.head} takes boxes as pixels", "model.head=hierarchical")
    unkept = not model.keeps_maps or not data.views
    no_cuts = "the schedule is poly, which has no cuts", "optim.schedule=steps"
    kept = "features are kept of fixed crops, where a backbone or its first stages are frozen"
    no_features = kept, "model.freeze=backbone --set data.views=4"
    idle = {
        "optim.momentum": (adamw, "the optimiser is adamw, which has no such momentum", "optim.optimizer=sgd"),
        "optim.cuts": (poly and optim.cuts != OptimConfig().cuts, *no_cuts),
        "optim.cut": (poly and optim.cut != OptimConfig().cut, *no_cuts),
        "model.decoder_channels": (
            model.decoder == "none" and model.decoder_channels != ModelConfig().decoder_channels,
            "model.decoder is none",
            "model.decoder=fpn",
        ),
        "model.decoder_stride": (
            model.decoder != "fpn" and model.decoder_stride != ModelConfig().decoder_stride,
            f"model.decoder is {model.decoder}",
            "model.decoder=fpn",
        ),
        "loss.gate": (flat and loss.gate != LossConfig().gate, *no_gate),
        "loss.box_weight": (flat and loss.box_weight != LossConfig().box_weight, *no_gate),
        "data.feature_cache": (unkept and data.feature_cache != DataConfig().feature_cache, *no_features),
        "data.feature_folder": (unkept and data.feature_folder is not None, *no_features),
    }
    for key, (unused, why, cure) in idle.items():
        group, _, name = key.partition(".")
        if unused and name in layer.get(group, {}):
            raise ConfigError(f"this would change nothing: {why}", where=f"--set {text}", cure=f"Add --set {cure}.")


def _validate(data: Mapping[str, Any]) -> TrainConfig:
    return YamlFile.of_data("--set", data, ConfigError).validate(TrainConfig)


def _is_valid(data: Mapping[str, Any]) -> bool:
    try:
        _validate(data)
    except ConfigError:
        return False
    return True


def _parse_setting(text: str) -> dict[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(
            "not of the form key=value", where=f"--set {text}", cure="Write for example --set optim.lr=0.02."
        )
    try:
        data: Any = YamlFile.parse(value, error=ConfigError).data
    except ConfigError as fault:
        raise ConfigError(
            fault.what, where=f"--set {text}", cure="The value is read as YAML; put it in quotes."
        ) from None
    whole = [name for name, *_ in describe_fields() if name.endswith(f".{key.strip()}")]
    if whole and key.strip() not in TrainConfig.model_fields:
        cure = f"Did you mean {' or '.join(map(repr, whole))}?"
        raise ConfigError(f"unknown key {key.strip()!r}", where=f"--set {text}", cure=cure)
    for part in reversed(_parts(key.strip())):
        data = {part: data}
    return dict(data)


def _parts(key: str) -> list[str]:
    """The parts of a dotted key. Below a free mapping the rest is one key: names of datasets may hold dots."""
    for name, kind, _, _ in describe_fields():
        if kind == "mapping" and key.startswith(f"{name}."):
            return [*name.split("."), key.removeprefix(f"{name}.")]
    return key.split(".")


def _kind_name(kind: Any) -> str:
    options = getattr(kind, "__args__", ())
    if getattr(kind, "__origin__", None) is Literal:
        return " | ".join(str(option) for option in options)
    origin = getattr(kind, "__origin__", kind)
    if origin in (tuple, dict):
        return {tuple: "list", dict: "mapping"}[origin]
    if len(options) > 1:
        return " | ".join(map(_kind_name, options))
    names = {int: "integer", float: "number", str: "text", bool: "true | false", type(None): "empty"}
    return names.get(options[0] if options else kind, "number")


def _yaml_text(value: Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, tuple):
        return f"[{', '.join(_yaml_text(v) for v in value)}]"
    return str(value).lower() if isinstance(value, bool) else str(value)

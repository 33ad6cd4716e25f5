"""The training configuration: defaults, files, settings and their errors."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from labelforge.errors import ConfigError
from labelforge.trainer.config import TrainConfig
from labelforge.trainer.settings import describe_fields, load_config


def write(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text)
    return path


def test_a_file_may_hold_any_part(tmp_path: Path) -> None:
    path = write(tmp_path, "steps: 7\nmodel: {backbone: resnet18}\nloss:\n  nodes: {traffic sign/front: 0.5}\n")
    config = load_config(path)
    assert (config.steps, config.model.backbone, config.loss.nodes) == (7, "resnet18", {"traffic sign/front": 0.5})
    assert config.model.output_stride == TrainConfig().model.output_stride


def test_settings_lie_over_a_configuration_too() -> None:
    base = TrainConfig(steps=7, data={"batch": {"mapillary-vistas-1.2": 3}}, optim={"schedule": "steps", "cuts": ()})
    config = load_config(base, ["optim.lr=0.25", "data.batch.gtsdb=2"])
    assert config == base.model_copy(
        update={
            "optim": base.optim.model_copy(update={"lr": 0.25}),
            "data": base.data.model_copy(update={"batch": {"mapillary-vistas-1.2": 3, "gtsdb": 2}}),
        }
    )
    assert (base.optim.lr, base.data.batch) == (TrainConfig().optim.lr, {"mapillary-vistas-1.2": 3})
    assert load_config(base) == base
    with pytest.raises(ConfigError, match=r"^--set optim\.lrr=1: unknown key 'lrr'\. Did you mean 'lr'\?"):
        load_config(base, ["optim.lrr=1"])


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    assert load_config(write(tmp_path, "# nothing yet\n")) == TrainConfig()


def test_settings_lie_over_the_file_and_mappings_merge(tmp_path: Path) -> None:
    path = write(tmp_path, "optim: {lr: 0.5, momentum: 0.8}\ndata: {batch: {gtsdb: 3}}\n")
    settings = ["optim.lr=0.25", "data.batch={cityscapes: 2}", "data.crop=[32, 64]", "model.weights=null", "steps=5"]
    config = load_config(path, settings)
    assert (config.optim.lr, config.optim.momentum) == (0.25, 0.8)
    assert config.data.batch == {"gtsdb": 3, "cityscapes": 2}
    assert config.data.crop == (32, 64)
    assert config.model.weights is None


def test_a_key_of_a_free_mapping_may_hold_dots() -> None:
    settings = ["data.batch.mapillary-vistas-1.2=3", "data.batch.gtsdb=2", "loss.nodes.sign/no. 5=0.5"]
    config = load_config(None, settings)
    assert config.data.batch == {"mapillary-vistas-1.2": 3, "gtsdb": 2}
    assert config.loss.nodes == {"sign/no. 5": 0.5}


def test_a_dumped_configuration_reads_back_equal(tmp_path: Path) -> None:
    config = load_config(
        None,
        ["data.batch={mapillary-vistas-1.2: 2}", "optim.schedule=steps", "optim.cuts=[]", "optim.weight_decay=1e-05"],
    )
    path = write(tmp_path, yaml.safe_dump(config.model_dump(mode="json")))
    assert load_config(path) == config


@pytest.mark.parametrize(
    ("text", "line", "what", "cure"),
    [
        ("steps: 5\noptim:\n  lrr: 0.1\n", 3, "unknown key 'lrr'", "Did you mean 'lr'?"),
        ("seed: 1\nmodle: {}\n", 2, "unknown key 'modle'", "Did you mean 'model'?"),
        ("model:\n  output_stride: 4\n", 2, "8, 16 or 32", None),
        ("data:\n  crop: [512]\n", 2, "data.crop", None),
        ("data:\n  scale: [2, 1]\n", 2, "the smaller one first", None),
        ("loss:\n  nodes:\n    road: -1\n", 3, "greater than or equal to 0", None),
        ("steps: 5\nsteps: 6\n", 2, "'steps' is repeated", "Keep one"),
        ("- 1\n", 1, "must be a mapping, not a list", None),
        ("steps: [1\n", 2, "not valid YAML", None),
    ],
)
def test_faults_of_a_file_name_file_and_line(tmp_path: Path, text: str, line: int, what: str, cure: str | None) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    message = str(caught.value)
    assert message.startswith(f"{path}:{line}: ")
    assert what in message
    assert cure is None or cure in message
    assert "\n" not in message


def test_a_missing_file_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load_config(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("setting", "what"),
    [
        ("optim.lrr=1", "unknown key 'lrr'. Did you mean 'lr'?"),
        ("lr=1", "unknown key 'lr'. Did you mean 'optim.lr'?"),
        ("optim.lr=fast", "optim.lr: must be a number"),
        ("optim.lr.x=1", "optim.lr: "),
        ("optim.lr", "not of the form key=value. Write for example --set optim.lr=0.02."),
        ("=3", "not of the form key=value"),
        ("data.crop=[1, 2", "not valid YAML"),
        ("data=3", "data: "),
        ("data.crop=256", "data.crop: two numbers are needed: data.crop=[256, 256] (got 256)."),
        ("data.crop=160,224", "data.crop: two numbers are needed: data.crop=[512, 706] (got '160,224')."),
        ("data.crop=[160]", "data.crop: has too few values"),
        ("data.crop=[1, 2, 3]", "data.crop: has too many values"),
        ("data.scale=none", "data.scale: two numbers are needed: data.scale=[1.0, 2.0] (got 'none')."),
        ("data.flip=maybe", "data.flip: must be true or false (got 'maybe')."),
        ("seed=1.5", "seed: must be a whole number (got 1.5)."),
        ("steps=0", "steps: must be greater than or equal to 1 (got 0)."),
        ("data.scale=2", "data.scale: two numbers are needed: data.scale=[2, 2] (got 2)."),
        ("data.batch=2", "data.batch: a number for each dataset is needed: data.batch.cityscapes=2 (got 2)."),
        (
            "data.batch={foo:2}",
            "data.batch: 'foo:2' has no number: write data.batch.foo=2, or put a space after the colon",
        ),
        ("loss.nodes={sky:2}", "loss.nodes: 'sky:2' has no number: write loss.nodes.sky=2, or put a space after the"),
        ("data.batch={foo}", "data.batch: 'foo' has no number: write data.batch.foo=1."),
        ("optim.cut=0.3", "optim: cut only counts with optim.schedule=steps: set that too."),
        (
            "loss.box_weight=1",
            "loss: box_weight only counts with loss.mean=pixel, and it is classifier.",
        ),
        ("preset=author", "preset: must be 'authors' or 'light' (got 'author')."),
        ("preset=[authors]", "preset: must be 'authors' or 'light' (got a list)."),
    ],
)
def test_faults_of_a_setting_name_the_setting(setting: str, what: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(None, ["steps=3", setting])
    assert str(caught.value).startswith(f"--set {setting}: {what}")


def test_settings_that_only_fit_together_are_checked_together(tmp_path: Path) -> None:
    path = write(tmp_path, "data: {scale: [3, 4]}\n")
    assert load_config(path, ["data.scale=[1, 2]"]).data.scale == (1.0, 2.0)


def test_channels_of_no_decoder_are_refused() -> None:
    """But not in a configuration that was written out whole."""
    set_too = ["model.decoder_channels=32", "model.decoder=fpn"]
    assert load_config(None, set_too).model.decoder_channels == 32
    assert load_config(None, ["preset=light", "model.decoder_channels=32"]).model.decoder_channels == 32
    with pytest.raises(ConfigError, match=r"decoder_channels only counts with a decoder: set model\.decoder too"):
        load_config(None, ["model.decoder_channels=32"])
    with pytest.raises(ConfigError, match=r"^--set model\.decoder_channels=32: .*Add --set model\.decoder=fpn"):
        load_config(TrainConfig(), ["optim.lr=1", "model.decoder_channels=32"])
    with pytest.raises(ConfigError, match=r"decoder_stride only counts with a decoder: set model\.decoder too"):
        load_config(None, ["model.decoder_stride=8"])
    for decoder in ("none", "lr-aspp"):
        with pytest.raises(ConfigError, match=rf"nothing: model\.decoder is {decoder}"):
            load_config(None, [f"model.decoder={decoder}", "model.decoder_stride=8"])


@pytest.mark.parametrize("head", ["flat-marginal", "flat-union"])
@pytest.mark.parametrize("setting", ["loss.gate=none", "loss.box_weight=0.3"])
def test_what_is_for_gated_boxes_is_refused_with_flat_heads(head: str, setting: str) -> None:
    flat = [f"model.head={head}", "loss.mean=pixel"]
    with pytest.raises(ConfigError, match=rf"{setting}: .*{head} takes boxes as pixels\. Add --set model\.head=hier"):
        load_config(None, [*flat, setting])
    assert load_config(None, ["loss.mean=pixel", setting]).model.head == "hierarchical"
    assert load_config(None, [*flat, "loss.gate=parent", "loss.box_weight=0.1"]).model.head == head


def test_weights_of_classifiers_are_refused_where_means_are_over_pixels() -> None:
    assert load_config(None, ["loss.mean=pixel", "loss.box_weight=1", "loss.nodes={a: 2}"]).loss.nodes == {"a": 2}
    for weight in ("root", "others"):
        with pytest.raises(ConfigError, match=rf"{weight} only counts with loss\.mean=classifier, and it is pixel, as"):
            load_config(None, ["preset=light", f"loss.{weight}=0.5"])
    whole = TrainConfig.model_validate({"loss": {"mean": "pixel"}}).model_dump()
    assert TrainConfig.model_validate(whole).loss.mean == "pixel", "written out whole, it is read again"


@pytest.mark.parametrize("setting", ["data.feature_cache=1", "data.feature_folder=here"])
def test_features_are_kept_only_of_fixed_crops_and_a_frozen_backbone(setting: str) -> None:
    load_config(None, ["preset=light", setting])
    for off in ("model.freeze=none", "data.views=0"):
        with pytest.raises(ConfigError, match=r"^--set data\.feature_.*: this would change nothing: features are kept"):
            load_config(None, ["preset=light", setting, off])
    assert load_config(TrainConfig(), ["optim.lr=1"]).model == TrainConfig().model


def test_cuts_that_would_do_nothing_are_refused() -> None:
    """The default schedule has none, nor has a run that was started with it."""
    assert load_config(None, ["optim.cuts=[0.3]", "optim.schedule=steps"]).optim.cuts == (0.3,)
    with pytest.raises(
        ConfigError, match=r"^--set optim\.cuts=\[0\.3\]: .* the schedule is poly.*Add --set optim\.sch"
    ):
        load_config(TrainConfig(), ["optim.lr=1", "optim.cuts=[0.3]"])
    with pytest.raises(ConfigError, match=r"^--set optim\.momentum=0\.5: .* nothing: the optimiser is adamw"):
        load_config(TrainConfig(), ["optim.optimizer=adamw", "optim.momentum=0.5"])
    with pytest.raises(ConfigError, match="the schedule is poly"):
        load_config(None, ["preset=authors", "optim.schedule=poly", "optim.cut=0.3"])
    assert load_config(None, ["preset=authors", "optim.schedule=poly"]).optim.schedule == "poly"
    assert load_config(None, ["preset=authors", "optim.cut=0.3"]).optim.cut == 0.3


def test_models_are_frozen_and_every_field_is_described() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        TrainConfig().seed = 3  # type: ignore[misc]
    rows = list(describe_fields())
    assert all(description.endswith((".", ")")) for _, _, _, description in rows)
    keys = [key for key, _, _, _ in rows]
    assert len(set(keys)) == len(keys)
    # Every key can be set to the default that its row shows.
    settings = [f"{key}={'' if default == 'empty' else default}" for key, _, default, _ in rows]
    assert load_config(None, settings) == TrainConfig()


@pytest.mark.parametrize(("steps", "between"), [(20, 50), (499, 50), (5000, 500), (100_000, 2000)])
def test_validations_are_neither_rare_nor_most_of_a_run(steps: int, between: int) -> None:
    assert TrainConfig().validation.interval(steps) == between

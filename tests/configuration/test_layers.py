"""Configuration files in layers, and messages that name key, value, what is allowed and the file."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest
from conftest import CONFIGURATIONS

from vcm_ref.bitstream.values import Grid
from vcm_ref.configuration import Configuration, configs, load_configuration, parse_grid
from vcm_ref.errors import ConfigError

COMPLETE = """
    bitstream: out.bin
    network: {name: refnet}
    quantisation: {bit_depth: 10, range: layer, rounding: nearest}
    order: {method: none, coding: exact}
    packing: {method: frames, allocation: frame_major, grid: 4x4}
    codec: {name: vvenc, qp: 37, mode: AI}
    digest_length: 8
"""


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A file that is complete by itself."""
    return written(tmp_path / "base.yaml", COMPLETE)


def written(path: Path, text: str) -> Path:
    """A file with ``text``."""
    path.write_text(dedent(text), encoding="utf-8")
    return path


@pytest.mark.parametrize("path", sorted(CONFIGURATIONS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_configuration_of_the_project_loads(path: Path) -> None:
    """Each by itself, through its bases."""
    configuration = load_configuration([path])
    assert configuration.get("codec.qp") == 37
    assert configuration.get("digest_length") in (4, 8)


def test_there_are_the_configurations_that_must_run() -> None:
    """Those that the issue lists."""
    grids = [f"frames_{n}x{n}" for n in (1, 2, 4, 8, 16)]
    orders = [f"reorder_{method}" for method in ("mean", "mse", "ssim")]
    others = ["fframe", "feature_anchor", "tiling", "quilting", "frames_spatial", "video_format", "lossless"]
    assert {path.stem for path in CONFIGURATIONS.glob("*.yaml")} >= {*grids, *orders, *others}


def test_the_final_method_of_rhee2022() -> None:
    """fframe.yaml says what Rhee et al.'s section III.4 says; without a grid, a frame has all 256 maps, 16x16."""
    configuration = load_configuration([CONFIGURATIONS / "fframe.yaml"])
    layers = ["p2", "p3", "p4", "p5"]
    assert configuration.per_layer("packing.grid", layers, "") == ["4x4", "4x4", "", ""]
    assert configuration.per_layer("codec.mode", layers, "") == ["RA", "RA", "AI", "AI"]
    assert configuration.get("order.method") == "mean"
    assert configuration.get("packing.allocation") == "interleaved"
    assert configuration.get("quantisation.bit_depth") == 10


def test_later_files_win(base: Path, tmp_path: Path) -> None:
    """And leave what they do not mention."""
    second = written(tmp_path / "second.yaml", "codec: {qp: 30}")
    third = written(tmp_path / "third.yaml", "codec: {qp: 22, preset: fast}")
    configuration = load_configuration([base, second, third])
    assert configuration.get("codec") == {"name": "vvenc", "qp": 22, "mode": "AI", "preset": "fast"}
    assert load_configuration([base, third, second]).get("codec.qp") == 30


def test_a_file_adds_to_its_base(base: Path, tmp_path: Path) -> None:
    """The base is found beside the file, through two levels, from another folder too."""
    folder = tmp_path / "deeper"
    folder.mkdir()
    middle = written(tmp_path / "middle.yaml", "base: base.yaml\ncodec: {qp: 30}")
    top = written(folder / "top.yaml", "base: ../middle.yaml\ncodec: {preset: fast}")
    configuration = load_configuration([top])
    assert (configuration.get("codec.qp"), configuration.get("codec.preset")) == (30, "fast")
    assert configuration.source(("codec", "qp")) == str(folder / ".." / middle.name)
    assert configuration.source(("codec", "mode")) == str(folder / ".." / base.name)


def test_a_mapping_whose_order_counts_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """The n-th entry of the classes is the network's n-th output."""
    (tmp_path / "a.yaml").write_text("network: {name: onnx, classes: {1: cat, 2: dog}, cut: {p2: x, p3: y}}\n")
    (tmp_path / "b.yaml").write_text("network: {classes: {2: dog, 1: cat}, cut: {p3: y}}\n")
    found = load_configuration([tmp_path / "a.yaml", tmp_path / "b.yaml"])
    assert [*found.get("network.classes").items()] == [("2", "dog"), ("1", "cat")]
    assert found.get("network.cut") == {"p3": "y"}
    found = load_configuration([tmp_path / "a.yaml"], ["network.classes={1: kitten}"])
    assert found.get("network.classes") == {"1": "kitten"}
    found = load_configuration([tmp_path / "a.yaml"], ["network.classes.2=wolf", "network.classes.7=owl"])
    assert [*found.get("network.classes").items()] == [("1", "cat"), ("2", "wolf"), ("7", "owl")]


def test_settings_win_over_files_and_flags_over_settings(base: Path) -> None:
    """--set codec.qp=30, then --qp 22."""
    assert load_configuration([base], ["codec.qp=30"]).get("codec.qp") == 30
    assert load_configuration([base], ["codec.qp=30", "codec.qp=31"]).get("codec.qp") == 31
    assert load_configuration([base], ["codec.qp=30"], {"codec": {"qp": 22}}).get("codec.qp") == 22


@pytest.mark.parametrize(
    ("setting", "key", "value"),
    [
        ("codec.qp=12", "codec.qp", 12),
        ("quantisation.min=-1.5", "quantisation.min", -1.5),
        ("codec.preset=fast", "codec.preset", "fast"),
        ("codec.mode={p2: RA, default: AI}", "codec.mode", {"p2": "RA", "default": "AI"}),
        ("codec.mode.p2=RA", "codec.mode", {"p2": "RA"}),
        ("packing.grid=2x8", "packing.grid", "2x8"),
        ("bitstream=a=b.bin", "bitstream", "a=b.bin"),
    ],
)
def test_settings_have_yaml_values(base: Path, setting: str, key: str, value: object) -> None:
    """Numbers, text, mappings; the first equals sign ends the key."""
    assert load_configuration([base], [setting]).get(key) == value


def test_null_takes_a_value_away(base: Path, tmp_path: Path) -> None:
    """In a file and in a setting; a mapping whole."""
    assert load_configuration([base], ["packing.grid=null"]).get("packing.grid", "none") == "none"
    path = written(tmp_path / "null.yaml", "base: base.yaml\npacking: {grid: null}")
    assert load_configuration([path]).get("packing.grid") is None
    assert load_configuration([base], ["codec.qp=30", "codec.qp=null"]).get("codec.qp") == 37  # the default
    with pytest.raises(ConfigError, match=r"codec\.preset: null: there is no such key to remove"):
        load_configuration([base], ["codec.preset=null"])
    with pytest.raises(ConfigError, match=r"codec: is null; write keys under it, or leave it out"):
        load_configuration([base], ["codec=null"])


def test_values_by_place(base: Path) -> None:
    """`layer 1` is the first in coding order; names go before places, places before the default."""
    configuration = load_configuration([base], ["codec.qp_offset={layer 1: 1, layer 3: 3, b: 7, default: 9}"])
    assert configuration.per_layer("codec.qp_offset", ["a", "b", "c", "d"], 0) == [1, 7, 3, 9]
    assert configuration.per_layer("codec.qp_offset", ["b"], 0) == [7]
    with pytest.raises(ConfigError, match=r"there is no layer b; the layers are a, or layer 1, layer 2"):
        configuration.per_layer("codec.qp_offset", ["a"], 0)
    for wrong in ("layer 0", "layer", "layer x", "Layer 1", "layer 1 "):
        other = load_configuration([base], [f'codec.qp_offset={{"{wrong}": 1}}'])
        with pytest.raises(ConfigError, match="there is no layer"):
            other.per_layer("codec.qp_offset", ["a"], 0)


def test_values_by_layer(base: Path) -> None:
    """One for all, or a mapping in which `default` speaks for the layers that are not named."""
    layers = ["p2", "p3", "p4"]
    one = load_configuration([base])
    assert one.per_layer("packing.grid", layers, None) == ["4x4"] * 3
    assert one.per_layer("codec.qp_offset", layers, 7) == [7] * 3
    some = load_configuration([base], ["codec.qp_offset={p3: -2, default: 5}", "codec.mode={p2: RA}"])
    assert some.per_layer("codec.qp_offset", layers, 0) == [5, -2, 5]
    assert some.per_layer("codec.mode", layers, "AI") == ["RA", "AI", "AI"]
    with pytest.raises(ConfigError, match=r"codec\.qp_offset: there is no layer p3; the layers are a, b"):
        some.per_layer("codec.qp_offset", ["a", "b"], 0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("codec: {speed: 3}", ["codec.speed", "unknown key", "preset", "qp_offset"]),
        ("kodec: {qp: 3}", ["kodec", "unknown key", "codec"]),
        ("1: 2", ["1", "unknown key"]),
        ("codec: {true: 2}", ["codec.true", "unknown key"]),
        ("codec: {name: h264}", ["codec.name", "'h264'", "vvenc or hevc or vtm or lossless"]),
        ("codec: {qp: high}", ["codec.qp", "'high'", "integer"]),
        ("codec: {qp: 37.0}", ["codec.qp", "37.0", "integer"]),
        ("codec: {qp: true}", ["codec.qp", "true", "integer"]),
        ("codec: {qp: 64}", ["codec.qp", "64", "at most 63"]),
        ("codec: {qp: -1}", ["codec.qp", "-1", "at least 0"]),
        ("codec: {time_limit: 0}", ["codec.time_limit", "0", "above 0"]),
        ("codec: [1, 2]", ["codec", "[1, 2]", "mapping"]),
        ("codec: {mode: {p2: XX}}", ["codec.mode", "XX", "AI", "RA"]),
        ("quantisation: {bit_depth: 17}", ["quantisation.bit_depth", "17", "1 to 16"]),
        ("quantisation: {bit_depth: 0}", ["quantisation.bit_depth", "0", "1 to 16"]),
        ("packing: {grid: 4}", ["packing.grid", "4"]),
        ("packing: {grid: 4by4}", ["packing.grid", "4by4", "4x4"]),
        ('packing: {grid: {p2: "0x4"}}', ["packing.grid", "0x4", "4x4"]),
        ("digest_length: 33", ["digest_length", "33", "32"]),
        ("picture_size: big", ["picture_size", "big", "width x height"]),
    ],
)
def test_a_wrong_value_names_key_value_rule_and_file(base: Path, tmp_path: Path, text: str, words: list[str]) -> None:
    """One line that says what is wrong, where, and what to do."""
    path = written(tmp_path / "wrong.yaml", f"base: base.yaml\n{text}\n")
    with pytest.raises(ConfigError) as caught:
        load_configuration([path])
    for word in [*words, "wrong.yaml"]:
        assert word in str(caught.value)


def test_a_wrong_setting_names_the_command_line(base: Path) -> None:
    """It is in no file."""
    with pytest.raises(ConfigError, match=r"codec\.qp: is 99; must be at most 63 \(in the command line\)"):
        load_configuration([base], ["codec.qp=99"])


@pytest.mark.parametrize("setting", ["codec.qp", "=3", "codec", "codec.=3", "codec.mode.=RA", ".qp=3"])
def test_a_setting_is_a_key_and_a_value(base: Path, setting: str) -> None:
    """With an equals sign between them."""
    with pytest.raises(ConfigError, match="write it as"):
        load_configuration([base], [setting])


def test_a_mapping_that_replaces_a_value_is_from_its_own_file(base: Path, tmp_path: Path) -> None:
    """The message names the file that has the mapping, not the one whose value it replaces."""
    over = written(tmp_path / "over.yaml", "packing: {grid: {p2: 3x3}}")
    error = load_configuration([base, over]).error("packing.grid", "does not fit")
    assert "over.yaml" in str(error)
    assert "base.yaml" not in str(error)


def test_every_key_has_a_default() -> None:
    """So that a fragment is enough."""
    assert Configuration({}).get("codec.qp") == 37
    assert Configuration({}).get("network") == {"name": "refnet"}
    network = load_configuration([CONFIGURATIONS / "networks" / "torchvision_vgg16.yaml"]).get("network")
    assert network == {"name": "torchvision", "model": "vgg16", "layer": 8}


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """With the reason."""
    with pytest.raises(ConfigError, match=r"absent\.yaml: cannot be read: No such file"):
        load_configuration([tmp_path / "absent.yaml"])
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_configuration([tmp_path])


@pytest.mark.parametrize("base_value", ["absent.yaml", "5", "[a]", "''", "{a: 1}", "null", "true", "x/y", "a" * 5000])
def test_a_missing_base_is_named(tmp_path: Path, base_value: str) -> None:
    """Whatever stands there."""
    path = written(tmp_path / "top.yaml", f"base: {base_value}\n")
    with pytest.raises(ConfigError, match=r"cannot be read|must be a text, the name of one configuration"):
        load_configuration([path])


@pytest.mark.parametrize(
    "text", ["a: [1,", "a: b: c", "\tx: 1", "- 1\n- 2", "just text", "", "a: 2001-99-99", "a: " + "[" * 3000, "a: \x01"]
)
def test_what_is_no_yaml_mapping_is_named(tmp_path: Path, text: str) -> None:
    """Whatever the YAML reader makes of it."""
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"bad\.yaml"):
        load_configuration([path])


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    """UTF-8 only."""
    path = tmp_path / "binary.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"binary\.yaml: is not a text in UTF-8"):
        load_configuration([path])


@pytest.mark.parametrize("names", [["a"], ["a", "b"], ["a", "b", "c"]])
def test_a_file_that_is_its_own_base_is_named(tmp_path: Path, names: list[str]) -> None:
    """Directly, and in a circle."""
    for name, following in zip(names, [*names[1:], names[0]], strict=True):
        written(tmp_path / f"{name}.yaml", f"base: ./{following}.yaml\n")
    with pytest.raises(ConfigError, match=r"a\.yaml: is its own base"):
        load_configuration([tmp_path / "a.yaml"])


def test_paths_in_a_file_are_relative_to_it(base: Path, tmp_path: Path) -> None:
    """Inputs; but not the output, and not what the command line says."""
    path = written(tmp_path / "top.yaml", "base: base.yaml\ninput: a/b.png\nnetwork: {weights: w.safetensors}\n")
    configuration = load_configuration([path])
    assert configuration.get("input") == str(tmp_path / "a" / "b.png")
    assert configuration.get("network.weights") == str(tmp_path / "w.safetensors")
    assert configuration.get("bitstream") == "out.bin"
    assert load_configuration([path], ["input=c.png"]).get("input") == "c.png"
    absolute = written(tmp_path / "absolute.yaml", "base: base.yaml\ninput: /somewhere/b.png\n")
    assert load_configuration([absolute]).get("input") == "/somewhere/b.png"


def test_a_grid_is_columns_by_rows() -> None:
    """As Rhee et al. write it."""
    assert parse_grid("8x2") == Grid(columns=8, rows=2)


@pytest.mark.parametrize(
    ("setting", "key"),
    [
        ("packing.grid.p2.0=4x4", "p2.0"),
        ('packing.grid."p2.0"=4x4', "p2.0"),
        ("packing.grid.'a'=4x4", "a"),
        ("packing.grid.a=4x4", "a"),
        ("packing.grid.backbone.fpn.0.conv=4x4", "backbone.fpn.0.conv"),
    ],
)
def test_a_layer_name_may_have_dots(setting: str, key: str) -> None:
    """With quotes and without them."""
    assert load_configuration([], [setting]).get("packing.grid") == {key: "4x4"}


def test_an_unknown_key_that_is_nearly_right() -> None:
    """A typing mistake gets the likely key."""
    mistakes = {"codec.mod=AI": "mode", "pakcing.grid=x": "packing", "codec.presets=x": "preset"}
    for setting, meant in mistakes.items():
        with pytest.raises(ConfigError, match=f"unknown key; did you mean {meant}\\?"):
            load_configuration([], [setting])


def test_the_line_of_a_wrong_value_is_named(tmp_path: Path) -> None:
    """The file has many."""
    path = written(tmp_path / "x.yaml", "order: {method: mean}\ncodec:\n  qp: 3\n  preset: lazy\n")
    with pytest.raises(ConfigError) as caught:
        load_configuration([path])
    allowed = "faster, fast, medium, slow, slower"
    assert str(caught.value) == f"codec.preset: is 'lazy'; allowed are {allowed} (in {path}, line 4)"


@pytest.mark.parametrize(
    ("files", "settings", "key"),
    [
        (["codec: {name: lossless, preset: lazy}"], [], "codec.preset"),
        ([], ["codec.name=lossless", "codec.qp=3"], "codec.qp"),
        (["codec: {name: lossless}"], ["codec.qp=37"], "codec.qp"),
        (["codec: {name: lossless}"], ["codec.mode.p2=RA"], "codec.mode"),
        (["codec: {name: lossless}", "codec: {qp_offset: {p2: 1}}"], [], "codec.qp_offset"),
        (["codec: {name: lossless}", "codec: {gop: 16}"], [], "codec.gop"),
        (["codec: {preset: fast}"], ["codec.name=lossless", "codec.gop=16"], "codec.gop"),
        (["codec: {name: vtm, preset: fast}"], [], "codec.preset"),
    ],
)
def test_an_option_without_effect_is_refused(tmp_path: Path, files: list[str], settings: list[str], key: str) -> None:
    """Where it was set with the codec that does not have it, or after."""
    paths = [written(tmp_path / f"{number}.yaml", text) for number, text in enumerate(files)]
    with pytest.raises(
        ConfigError, match=rf"{key}: is .*; it has no effect with codec\.name (lossless|vtm), only with"
    ):
        load_configuration(paths, settings)


def test_an_option_of_the_codec_before_is_no_error(tmp_path: Path) -> None:
    """A method that changes the codec of its base need not undo what the base says of it."""
    base = written(tmp_path / "video.yaml", "codec: {name: hevc, preset: fast, qp: 30, mode: RA, gop: 16}")
    top = written(tmp_path / "top.yaml", "base: video.yaml\ncodec: {name: lossless}")
    for configuration in (load_configuration([top]), load_configuration([base], ["codec.name=lossless"])):
        assert configuration.get("codec.name") == "lossless"
    with pytest.raises(ConfigError, match=r"codec\.qp"):
        load_configuration([top], flags={"codec": {"qp": 30}})
    assert load_configuration([top], shared_settings=["codec.qp=30"]).get("codec.qp") == 37


def test_a_file_of_version_0_1_had_to_say_qp_and_mode(tmp_path: Path) -> None:
    """Beside a codec that has none; they give way to the defaults."""
    path = written(tmp_path / "x.yaml", "codec: {name: lossless, qp: 0, mode: {p2: RA}}")
    assert load_configuration([path]).get("codec") == {"name": "lossless", "qp": 37, "mode": "AI"}
    with pytest.raises(ConfigError, match=r"codec\.qp: is 30; it has no effect"):
        load_configuration([path], flags={"codec": {"qp": 30}})


def test_a_shipped_configuration_is_found_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of that name wins; a folder does not."""
    monkeypatch.chdir(tmp_path)
    assert load_configuration(["fframe"]).shaping == load_configuration([CONFIGURATIONS / "fframe.yaml"]).shaping
    assert load_configuration(["networks/yolox_nano"]).get("network.name") == "onnx"
    written(tmp_path / "mine.yaml", "base: fframe\ncodec: {qp: 22}")
    assert load_configuration(["mine.yaml"]).get("order.method") == "mean"
    (tmp_path / "fframe").mkdir()
    assert load_configuration(["fframe"]).get("order.method") == "mean"
    (tmp_path / "fframe").rmdir()
    written(tmp_path / "fframe", "order: {method: mse}")
    assert load_configuration([Path("fframe")]).get("order.method") == "mse"
    with pytest.raises(ConfigError, match=r"fframes: cannot be read: .*; did you mean fframe\?"):
        load_configuration(["fframes"])
    assert set(configs()) == {
        path.relative_to(CONFIGURATIONS).with_suffix("").as_posix() for path in CONFIGURATIONS.rglob("*.yaml")
    }


def test_a_long_chain_of_bases_is_refused(tmp_path: Path) -> None:
    """Rather than Python's own limit."""
    for number in range(40):
        written(tmp_path / f"{number}.yaml", f"base: {number + 1}.yaml")
    with pytest.raises(ConfigError, match="too deep"):
        load_configuration([tmp_path / "0.yaml"])
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    with pytest.raises(ConfigError, match=r"loop\.yaml: cannot be read"):
        load_configuration([tmp_path / "loop.yaml"])


def test_a_key_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    """YAML's own reader would take the last one."""
    path = written(tmp_path / "x.yaml", "codec:\n  qp: 3\n  qp: 4\n")
    with pytest.raises(ConfigError, match=r"x\.yaml, line 3: codec\.qp: occurs twice"):
        load_configuration([path])

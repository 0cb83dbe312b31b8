from xml.etree import ElementTree as ET

import pytest

from benchmarks.plot import LEFT, RIGHT, WIDTH, Bar, axis, bars

SVG = "{http://www.w3.org/2000/svg}"
SHOWN = [
    Bar("far", "jotgate", 10_000, "ours"),
    Bar("far", "Tom & <Jerry>", 100, "peer"),
    Bar("near", "raw", 1000, "limit"),
]


def test_a_picture_is_xml_with_a_bar_for_each_and_its_number() -> None:
    drawn = ET.fromstring(bars("Pace", SHOWN))

    said = [text.text for text in drawn.iter(f"{SVG}text")]
    assert [rect.get("class") for rect in drawn.iter(f"{SVG}rect")] == ["ours", "peer", "limit"]
    assert {"Tom & <Jerry>", "10,000", "Pace"} <= set(said)


def test_a_group_is_named_above_its_bars_and_nothing_lies_on_another() -> None:
    drawn = ET.fromstring(bars("Pace", SHOWN))

    said = {text.text: float(text.get("y", "")) for text in drawn.iter(f"{SVG}text")}
    assert said["far"] < said["jotgate"] < said["Tom & <Jerry>"] < said["near"] < said["raw"]


def test_a_bar_ten_times_as_large_is_as_much_longer_everywhere() -> None:
    drawn = ET.fromstring(bars("Pace", SHOWN))

    most, least, middle = (float(rect.get("width", "")) for rect in drawn.iter(f"{SVG}rect"))
    assert most == WIDTH - LEFT - RIGHT
    assert most - middle == pytest.approx(middle - least, abs=0.2)


def test_a_picture_has_colours_for_light_and_for_dark() -> None:
    assert "prefers-color-scheme: dark" in bars("Pace", SHOWN)


@pytest.mark.parametrize(
    ("values", "ends"),
    [([5.0, 50.0], (0, 2)), ([10.0, 1000.0], (0, 3)), ([1.0], (-1, 0)), ([120.0, 4500.0], (2, 4)), ([0.3], (-1, 0))],
)
def test_the_axis_begins_below_the_smallest_and_ends_at_or_above_the_largest(
    values: list[float], ends: tuple[int, int]
) -> None:
    low, high = axis(values)

    assert (low, high) == ends
    assert 10.0**low < min(values) <= max(values) <= 10.0**high

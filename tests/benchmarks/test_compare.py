"""The comparison: what it counts is what can be counted by hand, and its sheet has all columns."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import cv2
import pytest
from outside import TEACHERS, needs

torch = pytest.importorskip("torch", reason="torch's CPU wheel is not installed")

from torch import nn  # noqa: E402

from benchmarks import compare, peers  # noqa: E402
from pipeline import Settings, WeightsInvalid  # noqa: E402
from pipeline.weights import WeightStore  # noqa: E402

ROOT = Path(__file__).parents[2]
SETTINGS = Settings()
LAYER = WeightStore(SETTINGS.weights_dir, SETTINGS.checkpoints_dir)
STYLES = [spec.name for spec in LAYER.specs.values() if spec.kind == "style"]


def test_flop_and_parameters_by_hand(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 1, stride=2))
    part = peers.Part(net, tmp_path, "drawing", lambda side: {"picture": (1, 3, side, side)})
    both = peers.Contestant("two of a kind", [part, part], 0, "float32")
    assert both.parameters() == 2 * (9 * 3 * 8 + 8 + 8 * 4 + 4)
    assert both.flop(10) == 2 * 2 * (9 * 3 * 8 * 100 + 8 * 4 * 25)


def test_the_published_generator_has_the_work_that_was_measured() -> None:
    net = peers.PUBLISHED["AnimeGANv2 (2020)"]()
    part = peers.Part(net, Path(), "drawing", peers._picture)
    work = peers.Contestant("AnimeGANv2", [part], 0, "float32").flop(64)
    assert work * (512 / 64) ** 2 == pytest.approx(210e9, rel=0.01)


def test_the_table_has_a_row_for_each_network(tmp_path: Path) -> None:
    first = STYLES[0]
    ours = peers.shipped(LAYER.specs[first], LAYER)
    theirs = peers.published("White-box CartoonGAN (2020)", tmp_path, 64)
    rows = peers.rows_of([theirs, ours], 64, rounds=1)
    bytes_shipped = sum(
        (SETTINGS.weights_dir / file.file).stat().st_size
        for role, file in LAYER.specs[first].files.items()
        if role != "float"
    )
    assert [row["bytes"] for row in rows] == [4 * 1_467_075, bytes_shipped]
    for row in rows:
        assert row["flop"] > 1e9 and row["openvino_s"] is None
        assert min(row[name] for name in ("eager_s", "bfloat16_s", "served_s", "peak_mb")) > 0
    lines = peers.lines(rows)[:4]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert {len(row) for row in cells} == {9}
    assert cells[2][:3] == ["White-box CartoonGAN (2020)", "1,467,075", "5.87 MB, float32"]
    assert cells[3][0] == f"Kirei {first}"
    assert cells[3][2] == f"{bytes_shipped / 1e6:.2f} MB, int8"
    assert [row[7] for row in cells[2:]] == ["-", "-"]


def test_memory_is_that_of_one_network_in_a_process_of_its_own(tmp_path: Path) -> None:
    small, large = (
        peers.published("White-box CartoonGAN (2020)", tmp_path, side).peak_mb(side)
        for side in (64, 512)
    )
    # at 512x512 one feature of the full size has 32 channels: 34 MB in float32
    assert 20 < small < large - 34 < 1000


def test_a_file_that_is_not_the_listed_one_is_not_measured(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(SETTINGS.weights_dir, tmp_path / "weights"))
    layer = WeightStore(folder, SETTINGS.checkpoints_dir)
    spec = layer.style(STYLES[0])
    file = folder / spec.files["picture"].file
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(WeightsInvalid, match=file.name):
        peers.shipped(spec, layer)


def test_without_teachers_the_sheet_has_our_styles_alone() -> None:
    found = compare.drawings(ROOT / "samples" / "chelsea.jpg", LAYER, None)
    assert list(found) == ["photograph", *(f"Kirei {name}" for name in STYLES)]
    sizes = {picture.shape for picture in found.values()}
    assert sizes == {(300, 451, 3)}
    picture = compare.sheet([found, found])
    height = round(300 * compare.CELL_PX / 451) + compare.GAP_PX
    width = len(found) * (compare.CELL_PX + compare.GAP_PX)
    assert picture.shape == (compare.LABEL_PX + 2 * height, width, 3)
    for column in range(len(found)):  # each has its name on top
        place = column * (compare.CELL_PX + compare.GAP_PX)
        assert picture[: compare.LABEL_PX, place : place + compare.CELL_PX].min() < 128


@needs(TEACHERS)
def test_published_networks_with_files_are_on_the_sheet(tmp_path: Path) -> None:
    photo: Any = cv2.imread(str(ROOT / "samples" / "chelsea.jpg"))
    cv2.imwrite(str(tmp_path / "photo.png"), photo[40:263, 60:291])  # no multiple of 4
    found = compare.drawings(tmp_path / "photo.png", LAYER, TEACHERS)
    assert list(found)[:4] == ["photograph", *compare.PUBLISHED]
    for name in compare.PUBLISHED:
        assert found[name].shape == (216, 224, 3)
    grey = [float(found[name].mean()) for name in ("photograph", "AnimeGANv2 (2020)")]
    assert grey[1] == pytest.approx(grey[0], rel=0.1)  # brightness is that of the photo
    drawings = {found[name].tobytes() for name in compare.PUBLISHED}
    assert len(drawings) == len(compare.PUBLISHED)
    assert compare.sheet([found]).shape[1] == len(found) * (compare.CELL_PX + compare.GAP_PX)

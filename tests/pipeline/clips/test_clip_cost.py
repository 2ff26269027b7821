"""What is drawn in the time that is left."""

from __future__ import annotations

import pytest

from pipeline import ClipTooLong
from pipeline.clips.cost import Pace, choose_pace

ASKED = Pace(12.0, 1920, "as asked for")


def test_without_a_limit_all_is_drawn() -> None:
    assert choose_pace(ASKED, 30, 5.0, None) is ASKED


def test_fewer_drawings_come_before_smaller_ones() -> None:
    paces = [choose_pace(ASKED, 10, 0.3, left_s) for left_s in (90, 60, 40, 30, 20)]
    assert [(round(pace.fps), pace.side_px) for pace in paces] == [
        (12, 1920),
        (8, 1920),
        (6, 1920),
        (6, 1440),
        (6, 960),
    ]
    assert paces[0].why == ASKED.why
    assert all("left" in pace.why for pace in paces[1:])
    assert all(
        pace.needed_s is not None and pace.needed_s <= left_s
        for pace, left_s in zip(paces, (90, 60, 40, 30, 20), strict=True)
    )


def test_what_does_not_fit_is_refused_by_name_with_what_it_needs() -> None:
    with pytest.raises(ClipTooLong) as caught:
        choose_pace(ASKED, 30, 2.0, 10)
    assert caught.value.stage == "budget"
    assert float(caught.value.measured or 0) > 10 == caught.value.limit

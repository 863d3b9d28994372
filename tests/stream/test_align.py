from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sonic_stream.stream.align import PATIENCE_SLOTS, AlignBuffer, Piece
from sonic_stream.timebase import FRAME_TICKS


def piece(index: int, speech: bool = True, last: bool = False) -> Piece:
    sound = np.full(FRAME_TICKS, (index + 1) / 1000, np.float32)
    return Piece(index * FRAME_TICKS, sound, speech, not speech, is_last=last)


def filled(count: int, pictures: range | None = None) -> AlignBuffer[int]:
    align: AlignBuffer[int] = AlignBuffer()
    for i in range(count):
        align.put_sound(piece(i))
    for i in range(count) if pictures is None else pictures:
        align.put_picture(i * FRAME_TICKS, i, 0)
    return align


def heard(sound: np.ndarray) -> int:
    """Which piece a unit's sound is; -1 for silence."""
    return round(float(sound[-1]) * 1000) - 1


def test_sound_and_picture_of_one_instant_leave_together():
    align = filled(10)
    for i in range(10):
        unit = align.tick()
        assert (unit.slot, unit.picture, heard(unit.sound), unit.behind) == (i, i, i, 0)


def test_play_out_begins_only_with_sound_and_picture():
    align = filled(3, range(0))
    assert align.tick().pts is None
    align.put_picture(0, 0, 0)
    assert align.tick().picture == 0


def test_sound_waits_for_no_picture_once_it_runs():
    align = filled(6, range(1))
    units = [align.tick() for _ in range(6)]
    assert [heard(u.sound) for u in units] == list(range(6))
    assert [u.picture for u in units] == [0, None, None, None, None, None]
    assert align.stats.held == 5


def test_a_picture_a_little_late_is_shown_and_counted_one_far_too_late_is_dropped():
    align = filled(8, range(1))
    for _ in range(4):
        align.tick()
    assert align.put_picture(2 * FRAME_TICKS, 2, 0)
    unit = align.tick()
    assert (unit.picture, unit.behind) == (2, 2 * FRAME_TICKS)
    assert align.stats.late == 1
    assert not align.put_picture(1 * FRAME_TICKS, 1, 0)
    assert align.stats.dropped == 1


def test_pictures_never_go_back():
    align = filled(8, range(0, 8, 3))
    shown = [u.picture for u in (align.tick() for _ in range(8)) if u.picture is not None]
    assert shown == sorted(shown)
    assert not align.put_picture(0, 0, 0)


def test_running_dry_fades_and_resumes_without_a_click():
    align = filled(2)
    align.tick(), align.tick()
    dry = align.tick()
    assert align.stands and dry.pts is None
    assert abs(dry.sound[0] - 0.002) < 1e-4 and dry.sound[-1] == 0
    assert not align.tick().sound.any()
    align.put_sound(piece(2))
    align.put_picture(2 * FRAME_TICKS, 2, 0)
    back = align.tick()
    assert heard(back.sound) == 2 and back.sound[0] == 0


def test_it_does_not_resume_before_the_level_is_back():
    align = filled(1)
    align.tick(), align.tick()
    align.resume_level = 2 * FRAME_TICKS
    align.put_sound(piece(1))
    align.put_picture(FRAME_TICKS, 1, 0)
    assert align.tick().pts is None
    align.put_sound(piece(2))
    assert align.tick().picture == 1


def test_the_end_of_an_utterance_is_not_held_back():
    align = filled(1)
    align.tick(), align.tick()
    align.resume_level = 5 * FRAME_TICKS
    align.put_sound(piece(1, last=True))
    align.put_picture(FRAME_TICKS, 1, 0)
    assert align.tick().is_last


def test_sound_without_pictures_is_not_held_for_ever():
    align = filled(3, range(0))
    waits = 0
    while align.tick().pts is None:
        waits += 1
        assert waits <= PATIENCE_SLOTS
    assert waits == PATIENCE_SLOTS


def test_flush_drops_what_is_older_and_nothing_after_it_is_old():
    align = filled(10)
    align.tick()
    align.flush(1, 8 * FRAME_TICKS)
    assert not align.put_picture(9 * FRAME_TICKS, 9, 0)
    unit = align.tick()
    assert unit.sound[0] != 0 and not unit.sound[240:].any()  # 5 ms down from what played
    assert align.put_picture(8 * FRAME_TICKS, 8, 1)
    after = [align.tick() for _ in range(4)]
    assert not any(u.sound.any() for u in after)
    assert after[0].picture == 8


def test_idle_pieces_before_speech_can_be_skipped():
    align: AlignBuffer[int] = AlignBuffer()
    for i in range(6):
        align.put_sound(piece(i, speech=i >= 4))
    before = align.lead(4 * FRAME_TICKS, 0)
    assert align.skip_idle(2) == 2
    assert align.lead(4 * FRAME_TICKS, 0) == before - 2 * FRAME_TICKS
    assert align.skip_idle(9) == 2
    assert align.level == 2 * FRAME_TICKS


def test_lead_tells_when_content_plays():
    align = filled(5)
    align.tick()
    for pts in range(1, 9):
        assert align.lead(pts * FRAME_TICKS, 100) == pts * FRAME_TICKS - 100


def test_skipped_slots_delay_content_and_are_counted():
    align = filled(5)
    align.tick()
    align.skip_slots(3)
    unit = align.tick()
    assert (unit.slot, unit.pts) == (4, FRAME_TICKS)
    assert align.stats.skipped_slots == 3


@settings(max_examples=200)
@given(st.lists(st.sampled_from(["sound", "picture", "tick", "tick", "flush", "restart"]), max_size=120))
def test_whatever_happens_slots_and_content_only_move_forward(actions: list[str]):
    align: AlignBuffer[int] = AlignBuffer()
    next_sound = next_picture = epoch = 0
    slots: list[int] = []
    contents: list[int] = []
    pictures: list[int] = []
    for action in actions:
        if action == "sound":
            align.put_sound(piece(next_sound))
            next_sound += 1
        elif action == "picture" and next_picture < next_sound:
            align.put_picture(next_picture * FRAME_TICKS, next_picture, epoch)
            next_picture += 1
        elif action == "flush":
            epoch += 1
            align.flush(epoch, max(0, next_sound - 2) * FRAME_TICKS)
        elif action == "restart" and align.stands and not align.level:
            align.restart(max(0, next_sound - 2) * FRAME_TICKS)
        elif action == "tick":
            unit = align.tick()
            assert unit.sound.shape == (FRAME_TICKS,)
            slots.append(unit.slot)
            if unit.picture is not None:
                pictures.append(unit.picture)
            if unit.speech and unit.pts is not None:
                contents.append(unit.pts)
    assert slots == list(range(len(slots)))
    assert all(a < b for a, b in pairwise(contents))
    assert all(a < b for a, b in pairwise(pictures))

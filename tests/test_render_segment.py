"""Pieces of film against what the car's own explainer draws, against a plain render, and against each other."""

import io
import pickle
import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import simplejpeg

import wire
from edge.capture import Frame
from edge.card import Card, ImageCard
from edge.explain import Captured, Explainer
from edge.pilot import Pilot, PilotError
from edge.start import BUNDLED_PILOT
from host.render.draw import Painter
from host.render.encode import KEY_FRAME_TICKS
from host.render.mind import Mind
from host.render.scene import Panel, PilotFile, Scene, SceneError, Shot
from host.render.segment import WARM_MAPS, Bad, Rendered, Renderer, Segment, size_of
from tests.make_tflite import Network
from tests.shots import STEP, Bytes, bundled, decoded, mean_psnr, opened, pixels, psnr, shots, ticks
from wire import Drive, Look

SHARED = Path(__file__).parents[2] / "shared"
WAREHOUSE = SHARED / "data" / "pilots" / "warehouse"
needs_warehouse = pytest.mark.skipif(not WAREHOUSE.exists(), reason="needs ../shared/data/pilots/warehouse")


def scene(*panels: Panel, **said: Any) -> Scene:
    return Scene(panels=panels or (Panel(),), size=(160, 120), **said)


def render(segment: Segment, *panels: Panel, pilots: tuple[PilotFile, ...] = (), **said: Any) -> Rendered:
    return Renderer(scene(*panels, **said), pilots or (bundled(),)).render(segment)


def explained(look: Look, count: int) -> list[tuple[wire.Frame, bytes]]:
    """What the car sends of the same frames: header and overlay."""
    explainer = Explainer(Pilot.load(BUNDLED_PILOT), car="car", session="0")
    made = []
    for shot in shots(count):
        rgb = simplejpeg.decode_jpeg(shot.data, "RGB")
        one = explainer.explain(Captured(0, Frame(rgb, 0, shot.recorded)), frozenset({"overlay"}), look)
        made.append((one.header, one.pictures["overlay"].data))
    return made


LOOKS = [
    Look(),
    Look(method="coverage", gamma=0.8, smoothing=0.6, colormap="viridis", gauges=False),
    Look(method="gradient-input", target="throttle", strength=1),
    Look(method="hirescam", smoothing=0.9),
    Look(method="integrated-visualbackprop"),
    Look(target="steering-bin", method="gradient"),
]


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.method)
def test_overlays_are_those_the_car_draws_to_the_last_bit(look: Look) -> None:
    mind, painter = Mind(Pilot.load(BUNDLED_PILOT), [look]), Painter(Panel(look=look), scene())
    for shot, (header, overlay) in zip(shots(12), explained(look, 12), strict=True):
        rgb = simplejpeg.decode_jpeg(shot.data, "RGB")
        drives, maps = [mind.drive(rgb, {})], [mind.maps()]
        mapped = painter.mapped(maps)
        assert mapped is not None
        assert (drives[0], mapped.stats, mapped.refused) == (header.drive, header.mask, header.refused)
        painted = painter.paint(rgb, mapped, drives, shot.recorded)
        assert simplejpeg.encode_jpeg(painted, 80, "RGB", "420", fastdct=True) == overlay


def test_rows_hold_what_the_car_says_of_the_same_frames() -> None:
    rendered = render(Segment(shots=shots(9)[4:], warm=shots(9)[:4]))
    for row, (header, _) in zip(rendered.rows, explained(Look(), 9)[4:], strict=True):
        assert row.drives == [header.drive]
        assert row.recorded == header.recorded
        assert header.mask is not None
        assert row.maps[0] is not None
        assert (row.maps[0].magnitude, row.maps[0].scale) == (header.mask.magnitude, header.mask.scale)
        assert row.maps[0].shares == header.mask.shares
        assert row.refused == [""]
    assert [row.index for row in rendered.rows] == [4, 5, 6, 7, 8]


def enlarged(scale: float) -> list[Bytes]:
    """The overlays, each made larger or smaller by itself."""
    mind, painter = Mind(Pilot.load(BUNDLED_PILOT), [Look()]), Painter(Panel(), scene())
    overlays = []
    for shot in shots(20):
        rgb = simplejpeg.decode_jpeg(shot.data, "RGB")
        drives, maps = [mind.drive(rgb, {})], [mind.maps()]
        overlays.append(painter.paint(rgb, painter.mapped(maps), drives, shot.recorded).copy())
    way = cv2.INTER_LINEAR if scale > 1 else cv2.INTER_AREA
    return [cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=way) for rgb in overlays]


def plain_film(pictures: list[Bytes]) -> bytes:
    """As one makes a film without haste: every picture turned and encoded by FFmpeg as it likes, as good."""
    whole = io.BytesIO()
    with av.open(whole, "w", format="mp4") as film:
        stream = film.add_stream("libx264", 25, {"crf": "23", "preset": "ultrafast"})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for rgb in pictures:
            film.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        film.mux(stream.encode(None))
    return whole.getvalue()


@pytest.mark.parametrize("scale", [0.5, 1, 2, 3])
def test_a_film_is_as_good_as_a_plain_one(scale: float) -> None:
    wanted = enlarged(scale)
    film, plain = decoded(render(Segment(shots=shots(20)), scale=scale).video), decoded(plain_film(wanted))
    assert mean_psnr(film, wanted) > mean_psnr(plain, wanted) - 0.5
    assert mean_psnr(film, wanted) > 27
    shifted = [np.roll(rgb, 1, axis=1) for rgb in film]
    assert mean_psnr(shifted, wanted) < mean_psnr(film, wanted) - 1


@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (200, 120, 40)])
@pytest.mark.parametrize("scale", [1, 2, 2.5])
def test_colours_are_those_of_the_frames(colour: tuple[int, int, int], scale: float) -> None:
    picture = simplejpeg.encode_jpeg(np.full((120, 160, 3), colour, np.uint8), 98)
    still = [Shot(picture, at, at * STEP) for at in range(3)]
    made = Renderer(scene(Panel("camera"), scale=scale, qp=10), []).render(Segment(shots=still))
    for frame in decoded(made.video):
        assert np.abs(frame.astype(int) - colour).max() <= 6


def test_frames_stand_where_their_ticks_say() -> None:
    at = [7, 8, 5000, 5003, 900_000, 900_001, 1_000_000]
    uneven = [shot._replace(tick=tick) for shot, tick in zip(shots(7), at, strict=True)]
    rendered = render(Segment(shots=uneven, end_tick=1_000_123))
    ends = [*at[1:], 1_000_123]
    assert ticks(rendered.video) == [(one - 7, end - one) for one, end in zip(at, ends, strict=True)]
    assert (rendered.start_tick, rendered.end_tick) == (7, 1_000_123)
    assert render(Segment(shots=uneven[:4])).end_tick == 5006


def test_there_are_key_frames_to_seek_to() -> None:
    sparse = [shot._replace(tick=at * 30_000) for at, shot in enumerate(shots(20))]
    with opened(render(Segment(shots=sparse)).video) as film:
        keys = [it.pts for it in film.demux(film.streams.video[0]) if it.size and it.is_keyframe and it.pts is not None]
    assert keys[0] == 0
    assert 1 < len(keys) < 10
    assert all(0 < later - key <= KEY_FRAME_TICKS for key, later in pairwise(keys))


def joined(pieces: list[Rendered]) -> bytes:
    """By stream copy, as anybody would."""
    whole = io.BytesIO()
    with av.open(whole, "w", format="mp4") as film:
        stream = None
        for piece in pieces:
            with opened(piece.video) as part:
                stream = stream or film.add_stream_from_template(part.streams.video[0])
                for packet in part.demux(part.streams.video[0]):
                    if packet.size and packet.pts is not None:
                        packet.pts = packet.dts = packet.pts + piece.start_tick
                        packet.stream = stream
                        film.mux(packet)
    return whole.getvalue()


def test_pieces_join_without_encoding_again() -> None:
    cut = shots(30)
    segments = [
        Segment(shots=cut[:11], end_tick=cut[11].tick),
        Segment(shots=cut[11:12], warm=cut[:11], end_tick=cut[12].tick),
        Segment(shots=cut[12:], warm=cut[:12]),
    ]
    renderer = Renderer(scene(scale=2), [bundled()])
    pieces = [renderer.render(segment) for segment in segments]
    film = joined(pieces)
    assert ticks(film) == [(at * STEP, STEP) for at in range(30)]
    apart = [frame for piece in pieces for frame in decoded(piece.video)]
    for frame, same in zip(decoded(film), apart, strict=True):
        np.testing.assert_array_equal(frame, same)


def test_pieces_of_unlike_pictures_have_the_same_parameters() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    still = [Shot(simplejpeg.encode_jpeg(noise, 95), at, at) for at in range(3)]
    found = set()
    for segment in (Segment(shots=shots(5)), Segment(shots=still), Segment(shots=shots(70)[:1])):
        with opened(render(segment, scale=2).video) as film:
            found.add(film.streams.video[0].codec_context.extradata)
    assert len(found) == 1


def test_the_same_segment_makes_the_same_bytes_whatever_came_before() -> None:
    panels = Panel(), Panel("mask", look=Look(method="gradient-visualbackprop", smoothing=0.5))
    segment = Segment(shots=shots(30)[10:], warm=shots(30)[:10])
    used = Renderer(scene(*panels, chart=True), [bundled()])
    first = used.render(segment)
    used.render(Segment(shots=shots(30)[:9]))
    assert used.render(segment) == first
    assert render(segment, *panels, chart=True) == first


def test_renderers_side_by_side_do_not_mind_each_other() -> None:
    renderers = [Renderer(scene(scale=2), [bundled()]) for _ in range(3)]
    segment = Segment(shots=shots(40))
    made: list[Rendered] = []
    threads = [threading.Thread(target=lambda it=it: made.append(it.render(segment))) for it in renderers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [made[0]] * 3


def test_warming_up_makes_a_segment_go_on_where_the_one_before_ended() -> None:
    dim = [shot._replace(data=simplejpeg.encode_jpeg(pixels(120)[at] // 6)) for at, shot in enumerate(shots(120))]
    shown = [*dim[:100], *shots(120)[100:]]
    whole = render(Segment(shots=shown)).rows[100:]
    warm = render(Segment(shots=shown[100:], warm=shown[100 - WARM_MAPS : 100])).rows
    cold = render(Segment(shots=shown[100:])).rows

    def scales(rows: list[Any]) -> list[float]:
        return [row.maps[0].scale for row in rows]

    assert scales(warm) == pytest.approx(scales(whole), rel=0.05)
    assert scales(cold)[0] != pytest.approx(scales(whole)[0], rel=0.3)


@needs_warehouse
def test_a_pilot_with_memory_remembers_what_it_said_while_warming_up() -> None:
    memory = PilotFile("memory", (WAREHOUSE / "memory.tflite").read_bytes())
    whole = render(Segment(shots=shots(40)), pilots=(memory,)).rows[30:]
    warm = render(Segment(shots=shots(40)[30:], warm=shots(40)[:30]), pilots=(memory,)).rows
    cold = render(Segment(shots=shots(40)[30:]), pilots=(memory,)).rows
    assert [row.drives for row in warm] == [row.drives for row in whole]
    assert cold[0].drives != whole[0].drives


def test_broken_pictures_are_told_and_left_out() -> None:
    broken = list(shots(12))
    for at, data in {0: b"", 3: b"\xff\xd8\xff", 4: shots(12)[4].data[:900], 11: b"rubbish" * 50}.items():
        broken[at] = broken[at]._replace(data=data)
    broken[7] = broken[7]._replace(tick=broken[6].tick)
    rendered = render(Segment(shots=broken, warm=[broken[0], broken[1]], end_tick=50_000))
    assert [bad.index for bad in rendered.bad] == [0, 3, 4, 7, 11]
    assert rendered.bad[0] == Bad(0, "it is no JPEG, PNG or BMP")
    assert rendered.bad[3] == Bad(7, "it is not later than the frame before it")
    left = [1, 2, 5, 6, 8, 9, 10]
    assert [row.index for row in rendered.rows] == left
    assert [tick + rendered.start_tick for tick, _ in ticks(rendered.video)] == [at * STEP for at in left]
    assert len(decoded(rendered.video)) == len(left)


def test_of_nothing_good_there_is_no_film() -> None:
    nothing = render(Segment(shots=[Shot(b"", 5, 77)]))
    assert (nothing.video, nothing.rows, [bad.index for bad in nothing.bad]) == (b"", [], [5])
    assert render(Segment(shots=[])).video == b""


def test_frames_of_another_size_are_fitted() -> None:
    other = simplejpeg.encode_jpeg(np.repeat(np.repeat(pixels(3)[1], 2, 0), 3, 1), 95)
    mixed = [shots(3)[0], shots(3)[1]._replace(data=other), shots(3)[2]]
    rendered = render(Segment(shots=mixed), drawn="none", qp=15)
    assert psnr(decoded(render(Segment(shots=mixed), Panel("camera"), drawn="none").video)[1], pixels(3)[1]) > 26
    fitted = cv2.resize(simplejpeg.decode_jpeg(other, "BGR"), (160, 120), interpolation=cv2.INTER_AREA)
    mixed[1] = mixed[1]._replace(data=cv2.imencode(".png", fitted)[1].tobytes())
    assert render(Segment(shots=mixed), drawn="none", qp=15) == rendered


def test_maps_of_a_pilot_that_sees_a_part_lie_on_that_part() -> None:
    card = Card(image=ImageCard(crop=(0.5, 0, 0.25, 0)))
    cropped = PilotFile("low", BUNDLED_PILOT.read_bytes(), card)
    rendered = render(Segment(shots=shots(3)), Panel("mask"), pilots=(cropped,))
    for picture, row in zip(decoded(rendered.video), rendered.rows, strict=True):
        assert picture[:56].max() < 12
        assert picture[:, :36].max() < 12
        assert picture[60:, 40:].max() > 60
        assert row.maps[0] is not None
        assert row.maps[0].shares[:3] == [0, 0, 0]


def test_a_pilot_that_is_fed_several_frames_begins_every_segment_anew() -> None:
    net = Network(24, 32, 9)
    net.conv(4, (5, 5), (2, 2), activation="RELU")
    net.dense(2, "outputs")
    card = Card(image=ImageCard(frames=3))
    renderer = Renderer(scene(), [PilotFile("three", net.bytes(), card)])
    first, later = Segment(shots=shots(9)[:3]), Segment(shots=shots(9)[6:], warm=shots(9)[3:6])
    rendered = renderer.render(later)
    renderer.render(first)
    assert renderer.render(later) == rendered
    assert renderer.render(Segment(shots=later.shots)) != rendered


@pytest.mark.parametrize("size", [(161, 121), (97, 33), (20, 300)])
@pytest.mark.parametrize("scale", [1, 1.7])
def test_odd_sizes_become_even(size: tuple[int, int], scale: float) -> None:
    panels = Panel("camera"), Panel(), Panel("mask")
    renderer = Renderer(Scene(panels=panels, size=size, scale=scale, chart=True, columns=2), [bundled()])
    rendered = renderer.render(Segment(shots=shots(3, size)))
    assert rendered.size[0] % 2 == rendered.size[1] % 2 == 0
    assert decoded(rendered.video)[0].shape[1::-1] == rendered.size


def test_what_a_pilot_cannot_explain_is_said_in_the_panel_and_in_the_rows() -> None:
    refused = Panel(look=Look(method="hirescam", layer="no such layer", gauges=False))
    rendered = render(Segment(shots=shots(4)), refused, Panel("camera", look=Look(gauges=False)), titles=False, qp=10)
    for row in rendered.rows:
        assert "no convolution 'no such layer'" in row.refused[0]
        assert row.refused[1] == ""
        assert row.maps == [None, None]
    left, right = np.split(decoded(rendered.video)[3], 2, axis=1)
    assert psnr(left[:20], right[:20]) < 20
    assert (left[:20].max(axis=2) > 180).any()
    assert psnr(left[64:], right[64:]) > 35


def test_maps_beside_each_other_are_those_of_each_alone() -> None:
    looks = [Look(method=method) for method in ("integrated-visualbackprop", "visualbackprop", "gradient", "hirescam")]
    looks += [Look(method="integrated-gradients", target="throttle"), Look(method="edges")]
    together = render(Segment(shots=shots(5)), *(Panel("mask", look=look) for look in looks))
    for at, look in enumerate(looks):
        alone = render(Segment(shots=shots(5)), Panel("mask", look=look))
        assert [row.maps[at] for row in together.rows] == [row.maps[0] for row in alone.rows]


def small_pilot() -> PilotFile:
    net = Network(24, 32)
    net.conv(4, (5, 5), (2, 2), activation="RELU")
    net.dense(2, "outputs")
    return PilotFile("small", net.bytes())


def test_several_pilots_see_the_same_frames() -> None:
    both = (bundled("one"), small_pilot())
    rendered = render(Segment(shots=shots(6)), Panel(), Panel(pilot=1), pilots=both, chart=True)
    for at, pilot in enumerate(both):
        alone = render(Segment(shots=shots(6)), pilots=(pilot,))
        assert [row.drives[at] for row in rendered.rows] == [row.drives[0] for row in alone.rows]
        assert [row.maps[at] for row in rendered.rows] == [row.maps[0] for row in alone.rows]


def test_what_is_shown_ahead_changes_the_chart_alone() -> None:
    segment = Segment(shots=shots(120)[:40])
    ahead = Segment(shots=shots(120)[:40], cool=shots(120)[40:])
    blind, seeing = (decoded(render(it, chart=True, qp=10).video)[-1] for it in (segment, ahead))
    np.testing.assert_allclose(blind[:120].astype(int), seeing[:120], atol=40)
    assert psnr(blind[:110], seeing[:110]) > 35
    assert psnr(blind[140:, 90:], seeing[140:, 90:]) < 25
    assert psnr(blind[140:, :70], seeing[140:, :70]) > 30


def test_tasks_and_results_can_be_sent() -> None:
    task = (scene(Panel(look=Look(gamma=1)), chart=True), [bundled()], Segment(shots=shots(4)))
    film, pilots, segment = pickle.loads(pickle.dumps(task))
    rendered = Renderer(film, pilots).render(segment)
    assert pickle.loads(pickle.dumps(rendered)) == rendered == Renderer(*task[:2]).render(task[2])


@pytest.mark.parametrize(
    ("panels", "said", "sentence"),
    [
        ((), {}, "1 to 64 panels, not 0"),
        ((Panel(pilot=1),), {}, "what pilot 2 sees, there are 1"),
        ((Panel(pilot=-1),), {}, "what pilot 0 sees, there are 1"),
        ((Panel(),), {"scale": 0.05}, "8 x 6 pixels is too small"),
        ((Panel(),) * 60, {}, "9600 x 134 pixels is too large"),
    ],
)
def test_what_cannot_be_a_film_is_told(panels: tuple[Panel, ...], said: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SceneError, match=sentence):
        Renderer(Scene(panels=panels, size=(160, 120), **said), [bundled()])


def test_sizes_are_told_of_pictures_that_decode() -> None:
    assert size_of(shots(1, (90, 61))[0].data) == (90, 61)
    assert size_of(shots(1)[0].data[:500]) is None
    assert size_of(b"") is None


def test_a_pilot_read_from_bytes_is_the_one_loaded_from_its_file() -> None:
    read, loaded = Pilot.read("pilot", BUNDLED_PILOT.read_bytes()), Pilot.load(BUNDLED_PILOT)
    assert (read.name, read.sha256, read.card) == (loaded.name, loaded.sha256, loaded.card)
    one, other = read.infer(pixels(1)[0]), loaded.infer(pixels(1)[0])
    assert one.keys() == other.keys()
    assert all((one[name] == other[name]).all() for name in one)
    assert bundled().sha256 == loaded.sha256


def test_a_pilot_read_from_bytes_is_fed_as_its_card_says() -> None:
    card = Card(image=ImageCard(colour="bgr"))
    swapped = Pilot.read("pilot", BUNDLED_PILOT.read_bytes(), card)
    plain = Pilot.read("pilot", BUNDLED_PILOT.read_bytes())
    rgb = pixels(1)[0]
    one, other = swapped.infer(rgb), plain.infer(np.ascontiguousarray(rgb[:, :, ::-1]))
    assert all((one[name] == other[name]).all() for name in one)


@pytest.mark.parametrize("data", [b"", b"TFL3", BUNDLED_PILOT.read_bytes()[:5000]])
def test_bytes_that_are_no_pilot_are_refused_by_name(data: bytes) -> None:
    with pytest.raises(PilotError, match="pilot 'mine' "):
        Pilot.read("mine", data)


def test_a_drive_that_is_not_finite_is_drawn_as_nothing() -> None:
    odd = [shot._replace(recorded=Drive(float("nan"), float("inf"))) for shot in shots(3)]
    for drawn in ("gauges", "lines"):
        assert len(render(Segment(shots=odd), chart=True, drawn=drawn).rows) == 3

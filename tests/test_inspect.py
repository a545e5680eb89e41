"""The report on a pilot, read as a person would: by columns and words."""

from pathlib import Path

import pytest

from edge.pilot import Pilot
from models.inspect import main
from tests.make_tflite import Network, quantized, residual, tutorial

SHARED = Path(__file__).parents[2] / "shared"
PILOTS = SHARED / "data" / "pilots"


def cells(report: str, line: str) -> dict[str, str]:
    """The cells of the first line that contains `line`, by the headings above them."""
    lines = report.splitlines()
    header = next(text for text in lines if "operator" in text and "kernel" in text)
    wanted = next(text for text in lines if line in text)
    starts = [at for at in range(1, len(header)) if header[at] != " " and header[at - 1] == " "]
    ends = [*starts[1:], max(map(len, lines))]
    return {header[a:b].strip(): wanted[a:b].strip() for a, b in zip(starts, ends, strict=True)}


def table(report: str, heading: str) -> list[str]:
    """The lines of the table that has a heading."""
    lines = report.splitlines()
    start = next(at for at, line in enumerate(lines) if heading in line.split())
    end = next((at for at in range(start, len(lines)) if not lines[at]), len(lines))
    return lines[start + 1 : end]


def exposed(report: str) -> list[str]:
    """The operators that are marked."""
    return [line.split()[2] for line in table(report, "operator") if line.startswith("*")]


def test_a_usable_pilot_is_laid_out_in_full(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "tutorial.tflite"
    path.write_bytes(tutorial().bytes(signature=True))
    assert main([str(path)]) == 0
    report = capsys.readouterr().out
    assert cells(report, "conv0") == {
        "#": "0", "operator": "CONV_2D", "layer": "conv0", "from": "img_in", "kernel": "5x5", "stride": "2x2",
        "dilation": "1x1", "pad": "0x0", "in": "1x120x160x3", "out": "1x58x78x6", "type": "FLOAT32",
        "activation": "RELU", "parameters": str(5 * 5 * 3 * 6 + 6),
    }  # fmt: skip
    dense = cells(report, "FULLY_CONNECTED")
    assert (dense["kernel"], dense["in"], dense["out"]) == ("", "1x832", "1x1")
    assert exposed(report) == ["CONV_2D"] * 5
    assert f"sha256        {Pilot.load(path).sha256}" in report
    assert "camera image  120 rows, 160 columns, rgb, 0..1" in report
    shown = sum(4 * a * b * c for a, b, c in ((58, 78, 6), (27, 37, 8), (12, 17, 8), (10, 15, 8), (8, 13, 8)))
    assert f"exposed (*)   5 layers, {shown / 1024:.0f} kB a frame" in report
    assert "steering      n_outputs0, value 1" in report
    assert "throttle      n_outputs1, value 1" in report


def test_steps_that_are_no_convolution_are_shown_but_not_marked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    net = Network(20, 30, 1)
    net.pad((1, 1), (2, 2))
    net.conv(4, same=True, unpack="DEQUANTIZE")
    net.apply("ELU")
    net.pool("MAX_POOL_2D", (3, 2), (2, 2))
    net.conv(2, (3, 3))
    net.dense(1, "steer")
    path = tmp_path / "net.tflite"
    path.write_bytes(net.bytes())
    assert main([str(path)]) == 0
    report = capsys.readouterr().out
    pool = cells(report, "MAX_POOL_2D")
    assert (pool["kernel"], pool["stride"], pool["out"], pool["parameters"]) == ("3x2", "2x2", "1x10x17x4", "0")
    assert cells(report, "conv1")["parameters"] == str(3 * 3 * 4 + 4)
    assert cells(report, "DEQUANTIZE")["parameters"] == "0"
    assert exposed(report) == ["ELU", "CONV_2D"]
    assert "grey" in report
    assert "throttle      none, the pilot only steers" in report


def test_branches_are_shown_as_they_hang_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "residual.tflite"
    path.write_bytes(residual().bytes())
    assert main([str(path)]) == 0
    report = capsys.readouterr().out
    operators = [line.split() for line in table(report, "operator")]
    joins = [cells(report, f" {number} ") for number, row in enumerate(operators) if "ADD" in row]
    assert [(join["from"], join["kernel"], join["activation"]) for join in joins] == [
        ("0, 2", "", "RELU"),
        ("3, 5", "", "RELU"),
    ]
    chained = cells(report, "CONCATENATION")
    assert (chained["from"], chained["in"], chained["out"]) == ("7, 8", "1x20x24x4", "1x20x24x10")
    shown = [line.lstrip("*").split() for line in table(report, "step")]
    assert [row[0] for row in shown] == [str(place) for place in range(11)]
    assert [line.startswith("*") for line in table(report, "step")].count(False) == 4, "joins and pooling"
    assert shown[0][2:] == ["image", "3x3", "2x2", "1x1", "0x0", "40x48", "20x24", "mean"]
    assert shown[3][2:4] == ["0,", "2"]


def test_what_integers_stand_for_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "quantized.tflite"
    path.write_bytes(quantized().bytes())
    assert main([str(path)]) == 0
    report = capsys.readouterr().out
    first = cells(report, "conv0")
    assert first["type"] == f"INT8 {4 / 255:.3g}·(q+128)"
    assert first["parameters"] == str(5 * 5 * 3 * 6 + 6)
    assert "input   image" in report
    assert f"INT8 {1 / 255:.3g}·(q+128)" in report.splitlines()[0]


def test_a_refused_pilot_is_laid_out_with_the_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net = Network(12, 12)
    net.conv(4)
    net.operator("FlexTensorListStack", [net.at], net.shape())
    net.dense(2)
    path = tmp_path / "flex.tflite"
    path.write_bytes(net.bytes())
    assert main([str(path)]) == 2
    out, err = capsys.readouterr()
    assert "FlexTensorListStack" in out
    assert cells(out, "conv0")["kernel"] == "3x3"
    assert err.startswith(f"pilot {path} needs TensorFlow itself for FlexTensorListStack")
    assert err.count("\n") == 1


def test_a_refused_way_is_laid_out_without_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net = Network(12, 12)
    net.conv(4)
    net.reshape(1, 5, 20, 4)
    net.conv(4)
    net.dense(2)
    path = tmp_path / "reshaped.tflite"
    path.write_bytes(net.bytes())
    assert main([str(path)]) == 2
    out, err = capsys.readouterr()
    assert not exposed(out)
    assert "step" not in out
    assert cells(out, "RESHAPE")["out"] == "1x5x20x4"
    assert "operator RESHAPE" in err


def test_a_file_that_is_no_pilot_gives_the_reason_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "none.tflite"
    for content in (None, b"", b"no pilot at all"):
        if content is not None:
            path.write_bytes(content)
        assert main([str(path)]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith(f"pilot {path} ")
        assert err.count("\n") == 1


@pytest.mark.skipif(not PILOTS.exists(), reason="needs ../shared/data/pilots")
@pytest.mark.parametrize("path", sorted(PILOTS.rglob("*.tflite")), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_real_pilots_are_laid_out_whether_usable_or_not(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main([str(path)])
    out, err = capsys.readouterr()
    assert (code, bool(err)) == ((2, True) if path.stem in {"rnn", "3d"} else (0, False))
    assert cells(out, "conv")["operator"].startswith("CONV_")

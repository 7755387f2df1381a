"""Members of one's own: the examples run, and what their README says of lines is so."""

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
#: Runs every example, and asks whether the sampler has the order that it says, where the truth is known in closed form.
RUN = """
import runpy, torch
from lerobot_dp_plus.notation import Prediction, per_sample
from lerobot_dp_plus.paths import SquaredCosinePath
made = runpy.run_path("examples/own_sampler.py", run_name="__main__")
runpy.run_path("examples/own_selection.py", run_name="__main__")
path, noise = SquaredCosinePath(), torch.randn(64, 2, 1, dtype=torch.float64)

def denoise(x, t):  # data are N(0.3, 0.2²)
    alpha, sigma = path.alpha(t), path.sigma(t)
    variance = alpha**2 * 0.04 + sigma**2
    x1 = 0.3 + per_sample(0.04 * alpha / variance, x) * (x - 0.3 * per_sample(alpha, x))
    return path.with_data(x1, x, t)

exact = 0.3 + 0.2 * noise / per_sample((path.alpha(torch.zeros(1)) ** 2 * 0.04 + path.sigma(torch.zeros(1)) ** 2).sqrt(), noise)
errors = [(made["Midpoint"](steps)(denoise, path, noise) - exact).abs().mean().item() for steps in (16, 32)]
print("ratio", errors[0] / errors[1])
"""


def test_the_examples_run_and_the_sampler_has_its_order() -> None:
    done = subprocess.run([sys.executable, "-c", RUN], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Midpoint(num_steps=5)" in done.stdout and "step 5: tensor" in done.stdout
    ratio = float(done.stdout.split("ratio ")[1])
    assert 3.0 < ratio < 5.5, "halving the steps of a second-order method quarters its error"


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("ways.py", r"way 1: \d+ % of the candidates"),
        ("keep_clear.py", r"as it is: success True, nearest -[\s\S]*keeping clear: success True, nearest [3-9]"),
        ("own_data.py", r"-> action \["),
    ],
)
def test_the_short_scripts_run(
    script: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(EXAMPLES / script), run_name="__main__")
    said = capsys.readouterr().out
    assert re.search(says, said), said[-2000:]


def test_the_notebook_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = json.loads((EXAMPLES / "first_look.ipynb").read_text())["cells"]
    scope: dict[str, object] = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), scope)
    assert scope["info"]["is_success"] and len(scope["pictures"]) > 2  # type: ignore[index, arg-type]
    assert set(scope["found"].mode[0].tolist()) == {0, 1}  # type: ignore[attr-defined]


def test_scripts_are_short() -> None:
    assert len(list(EXAMPLES.glob("*.py"))) == 5
    assert all(len(file.read_text().splitlines()) <= 60 for file in EXAMPLES.glob("*.py"))


def test_lines_are_as_the_readme_says() -> None:
    rows = re.findall(
        r"^\| [^|]* \| `([^`]*)`(?:, class `(\w+)`)? \| (\d+) \|", (EXAMPLES / "README.md").read_text(), re.M
    )
    assert len(rows) == 6
    for name, cls, lines in rows:
        text = (ROOT / name).read_text()
        if cls:
            text = re.search(
                rf"@\w+\.register_subclass[^\n]*\n@dataclass[^\n]*\nclass {cls}.*?(?=\n\n\n)", text, re.S
            ).group()  # type: ignore[union-attr]
        assert len(text.strip().splitlines()) == int(lines), name

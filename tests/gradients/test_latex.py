"""The LaTeX of a derivation, checked in structure (no TeX is needed): it says what the text says and is well formed."""

import re

import pytest
from networks import UNKNOWN, recurrent

import sncc

COMMANDS = set(
    r"""usepackage subsection begin end frac mathrm partial text left right tilde widetilde delta mathrel operatorname
    exp ln sin cos tanh min max sqrt lvert rvert lfloor rfloor le ge ne land lor lnot cdot infty varphi textasciitilde
    textasciicircum textbackslash alpha beta gamma epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi
    chi psi omega""".split()
)
NETWORKS = {
    "e-prop": recurrent("ALIF"),
    "bptt": recurrent("LIF", rule="bptt", learn="weights, hidden.tau_m"),
    "a neuron in no library": recurrent("Curious", UNKNOWN),
    "Izhikevich": recurrent("Izhikevich"),
    "no training": "network S:\n    step = 1 ms\n    population x: input[2]\n    population a_b: LIF[2]\n"
    "    connect x -> a_b: dense, weight = 1\n",
}


@pytest.fixture(params=NETWORKS)
def both(request):
    text = NETWORKS[request.param]
    return sncc.explain(text), sncc.explain(text, latex=True)


def test_braces_environments_and_fences_are_balanced(both):
    latex = re.sub(r"(?<!\\)%.*", "", both[1])
    depth = 0
    for found in re.finditer(r"(?<!\\)[{}]", latex):
        depth += 1 if found[0] == "{" else -1
        assert depth >= 0
    assert depth == 0
    opened: list[str] = []
    for word, name in re.findall(r"\\(begin|end)\{([a-z*]+)\}|\\(?:left|right)", latex):
        if word == "begin":
            opened.append(name)
        elif word == "end":
            assert opened.pop() == name
    assert not opened
    assert len(re.findall(r"\\left(?![a-z])", latex)) == len(re.findall(r"\\right(?![a-z])", latex))
    assert len(re.findall(r"(?<!\\)\$", latex)) % 2 == 0


def test_only_commands_of_latex_and_amsmath_are_used(both):
    assert set(re.findall(r"\\([A-Za-z]+)", both[1])) <= COMMANDS


def test_every_row_of_an_alignment_has_one_equation(both):
    for body in re.findall(r"\\begin\{align\*\}\n(.*?)\n\\end\{align\*\}", both[1], re.DOTALL):
        for row in body.split(" \\\\\n"):
            outside = re.sub(r"\\begin\{cases\}.*\\end\{cases\}", "", row)
            assert len(re.findall(r"(?<!\\)&", outside)) == 1, row
            assert "\n" not in row


def test_adjoints_in_words_are_written_as_in_equations(both):
    assert "textasciitilde" not in both[1]
    assert both[1].count(r"($\tilde{x}$ is d loss / d x)") == both[0].count("(x~ is d loss / d x)")


def test_paragraphs_are_kept_apart(both):
    body = re.sub(r"\\begin\{align\*\}\n.*?\n\\end\{align\*\}", "", both[1], flags=re.DOTALL)
    kept = [k for k, line in enumerate(body.splitlines()) if line.endswith(" as kept at step n")]
    assert len(kept) == both[0].count(" as kept at step n") and not {k + 1 for k in kept} & set(kept)


def test_no_superscript_or_subscript_is_doubled(both):
    group = r"(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*"
    assert not re.search(rf"\^\{{{group}\}}\^|_\{{{group}\}}_|\^\{{{group}\}}_\{{{group}\}}\^", both[1])


def test_the_latex_has_the_numbers_and_the_heads_of_the_text(both):
    text, latex = both
    numbers = set(re.findall(r"(?<![\w.])\d+\.\d+(?!\w)", text))
    assert numbers <= set(re.findall(r"\d+\.\d+", latex))
    heads = [line for line in text.splitlines() if re.match(r"population .* neurons\)|loss:|gradients", line)]
    assert latex.count(r"\subsection*{") == len(heads) + text.count("\nadjoint of ")

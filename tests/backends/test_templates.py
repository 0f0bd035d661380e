"""Templates hold layout: loops and what is there or not, nothing that is computed,
and none longer than a few screens.
"""

import re
from pathlib import Path

import pytest

TEMPLATES = sorted(Path(__file__).parents[2].glob("backends/*/templates/*.j2"))
LONGEST = 120  # lines


def test_there_are_templates():
    assert len(TEMPLATES) > 30


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_a_template_is_short_and_holds_no_logic(template):
    text = template.read_text()
    assert text.count("\n") <= LONGEST
    assert set(re.findall(r"{%-?\s*(\w+)", text)) <= {"for", "endfor", "if", "elif", "else", "endif", "include"}

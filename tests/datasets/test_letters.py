import numpy as np

from tlcore.datasets import letters


def test_a_drawing_is_the_same_whenever_it_is_asked_for():
    font = letters.fonts()[0]
    first = letters.example("A", font, 3)
    letters.example("B", font, 0)
    assert (letters.example("A", font, 3) == first).all()
    assert (letters.example("A", font, 4) != first).any()


def test_what_was_drawn_when_this_was_written():
    # Another Pillow or SciPy that draws otherwise would make other numbers of every run.
    drawn = letters.example("A", letters.fonts()[0], 0)
    assert drawn.shape == (8, 8) and drawn.dtype == np.uint8 and drawn.max() <= 16
    assert abs(int(drawn.sum()) - 313) < 130


def test_no_digit_is_among_the_letters():
    assert not set(letters.CHARACTERS) & set(letters.PRINTED_DIGITS)
    assert all(character.isalpha() and character.isascii() for character in letters.CHARACTERS)
    # A zero and a one are drawn as these two letters in some fonts; no other letter is a digit's twin.
    assert len(set(letters.CHARACTERS)) == len(letters.CHARACTERS) == 37


def test_no_letter_is_drawn_as_a_digit_is():
    # As black and white at one size, unbent: the fonts' own glyphs.
    for font in letters.fonts():
        glyphs = {c: letters._glyph(c, font) > 0.5 for c in (*letters.CHARACTERS, *letters.PRINTED_DIGITS)}
        for digit in letters.PRINTED_DIGITS:
            assert not any((glyphs[digit] == glyphs[letter]).all() for letter in letters.CHARACTERS)


def test_render():
    x, y = letters.render(("A", "B"), variants=2)
    fonts = len(letters.fonts())
    assert x.shape == (2 * 2 * fonts, 8, 8, 1) and y.tolist() == [0] * 2 * fonts + [1] * 2 * fonts
    assert (x[1, ..., 0] == letters.example("A", letters.fonts()[0], 1)).all()


def test_fonts_are_all_there():
    assert [font.stem for font in letters.fonts()] == [*letters.FONT_NAMES]

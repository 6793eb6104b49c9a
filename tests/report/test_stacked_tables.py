"""Tables on a narrow screen: a cell that lost its column's name, or has that of a neighbour, would be read wrongly."""

from upcycle.report._stacked_tables import stacked

HEAD = '<thead><tr><th scope="col">target</th><th scope="col">AUC</th><th scope="col">a &amp; "b"</th></tr></thead>'


def test_every_cell_is_named_by_its_own_column() -> None:
    table = f'<table><caption>x</caption>{HEAD}<tbody><tr><th scope="row">s</th><td>1</td><td class="fail">2</td></tr></tbody></table>'
    found = stacked(table)
    assert '<td data-column="AUC">1</td>' in found
    assert '<td data-column="a &amp; &quot;b&quot;" class="fail">2</td>' in found
    assert '<th scope="row">s</th>' in found
    assert HEAD in found


def test_a_row_that_spans_all_columns_and_tables_of_pictures_or_without_head_stay_as_they_are() -> None:
    span = f'<table>{HEAD}<tbody><tr><th scope="rowgroup" colspan="3">part</th></tr></tbody></table>'
    pictures = f'<table class="sheet tiny">{HEAD}<tbody><tr><td><img></td></tr></tbody></table>'
    plain = "<p>text</p><table><tbody><tr><th>k</th><td>v</td></tr></tbody></table>"
    assert stacked(span) == span
    assert stacked(pictures) == pictures
    assert stacked(plain) == plain


def test_the_first_cell_of_a_row_that_names_none_takes_the_first_column() -> None:
    found = stacked(f"<table>{HEAD}<tbody><tr><td>no. 1</td><td>2</td></tr></tbody></table>")
    assert '<td data-column="target">no. 1</td><td data-column="AUC">2</td>' in found

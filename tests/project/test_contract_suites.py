"""The page of contract suites says what the tests run over today."""

from tests.project.contract_suites import CLAUSES, PAGE, page


def test_the_page_is_up_to_date():
    text = PAGE.read_text("utf-8")
    assert page(text) == text, "run `python -m tests.project.contract_suites`"
    assert all(clause.test.partition("::")[2] in text for clause in CLAUSES)

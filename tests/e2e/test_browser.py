import pytest

pytestmark = [pytest.mark.browser, pytest.mark.processes]


def test_chromium_opens_a_page_of_the_site(site, browser_page):
    site.start("web")
    answer = browser_page.goto(f"{site.url}/admin/login/")
    assert answer.ok
    assert "Log in" in browser_page.title()

"""Uploads that are ended or refused."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenWindow
from tests.e2e.api import Api, table


def test_cancelled_upload_is_really_ended(open_window: OpenWindow, api: Api, tmp_path: Path) -> None:
    file = tmp_path / "long-way.csv"
    file.write_bytes(table(150_000))
    window = open_window()
    page = window.page
    window.go("/datasets")
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 400_000},
    )
    page.locator("input[type=file]").set_input_files(file)
    bar = page.get_by_role("progressbar", name="Upload progress: long-way.csv")
    expect(bar).to_be_visible()
    expect(bar).not_to_have_attribute("aria-valuenow", "0")
    window.shot("upload-running")
    window.accessible()
    with page.expect_event("requestfailed", lambda request: request.method == "POST") as ended:
        page.get_by_role("button", name="Cancel the upload: long-way.csv").click()
    expect(bar).to_be_hidden()
    assert ended.value.failure == "net::ERR_ABORTED"
    assert api.get("/api/v1/datasets", name="long-way")["items"] == []
    # Nothing is left that would keep the person from the next one.
    session.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1},
    )
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose a file").click()
    chooser.value.set_files(file)
    expect(page.get_by_role("heading", level=1, name="long-way")).to_be_visible(timeout=60_000)


@pytest.mark.parametrize(
    ("file_name", "content", "english", "korean"),
    [
        ("nothing.csv", b"", "The file is empty.", "파일이 비어 있습니다."),
        ("header.csv", b"a,b,c\n", "header row but no data", "열 이름만 있고"),
        ("ragged.csv", b"a,b\n1,2\n3\n4,5,6\n", "more or fewer cells", "칸 수가"),
        ("twice.csv", b"a,a\n1,2\n", "Two columns have the same name", "이름이 같은 열"),
        ("picture.parquet", b"\x89PNG\r\n\x1a\n" + bytes(64), "not what its name says", "이름과 다릅니다"),
    ],
)
def test_refused_file_says_what_to_do(
    open_window: OpenWindow, api: Api, tmp_path: Path, file_name: str, content: bytes, english: str, korean: str
) -> None:
    file = tmp_path / file_name
    file.write_bytes(content)
    for locale, sentence in (("en-US", english), ("ko-KR", korean)):
        window = open_window(locale=locale)
        window.go("/")
        window.page.locator("input[type=file]").set_input_files(file)
        expect(window.page.get_by_role("alert")).to_contain_text(sentence)
        window.accessible()
    window.shot(f"refused-{file.stem}")
    assert [item for item in api.get("/api/v1/datasets", name=file.stem)["items"] if item["state"] == "ready"] == []


def test_sample_is_one_press_away(open_window: OpenWindow) -> None:
    window = open_window()
    page = window.page
    window.go("/datasets")
    page.get_by_role("button", name="Use this sample").first.click()
    page.wait_for_url("**/datasets/0*")
    page.get_by_role("link", name="Tune", exact=True).click()
    # What the sample is there to predict is already chosen.
    expect(page.get_by_role("combobox", name="What should be predicted?")).not_to_have_value("")
    expect(page.get_by_role("button", name="Tune", exact=True)).to_be_visible()

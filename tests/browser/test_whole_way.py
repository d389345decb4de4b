"""From a file to a prediction, as a person goes: in both languages, by mouse and by keyboard alone."""

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenWindow
from tests.e2e.api import Api, table

WORDS = {
    "en": {
        "choose": "Choose a file",
        "tune": "Tune",
        "target": "What should be predicted?",
        "trials": "Trials",
        "space": "Search space",
        "to": "To",
        "completed": "Completed",
        "open": "Open trial 1",
        "log": "Log",
        "files": "Files",
        "close": "Close",
        "download": "Download model",
        "deploy": "Deploy",
        "name": "Name of the endpoint",
        "ready": "Ready",
        "predict": "Predict",
        "chances": "Probability of each class",
        "parameters": "Hyperparameters",
    },
    "ko": {
        "choose": "파일 고르기",
        "tune": "튜닝",
        "target": "무엇을 예측할까요?",
        "trials": "시도 횟수",
        "space": "탐색 공간",
        "to": "최대",
        "completed": "완료",
        "open": "시도 1 열기",
        "log": "로그",
        "files": "파일",
        "close": "닫기",
        "download": "모델 내려받기",
        "deploy": "배포",
        "name": "엔드포인트 이름",
        "ready": "준비됨",
        "predict": "예측",
        "chances": "클래스별 확률",
        "parameters": "하이퍼파라미터",
    },
}


@pytest.mark.parametrize(("language", "locale", "scheme"), [("en", "en-US", "light"), ("ko", "ko-KR", "dark")])
def test_upload_tune_watch_deploy_predict(
    open_window: OpenWindow, api: Api, tmp_path: Path, language: str, locale: str, scheme: str
) -> None:
    words = WORDS[language]
    name = f"sales {language}"
    file = tmp_path / f"{name}.csv"
    file.write_bytes(table(900, hard=True))
    window = open_window(locale=locale, scheme=scheme)
    page = window.page

    # Upload, and see the columns.
    window.go("/")
    expect(page.locator("html")).to_have_attribute("lang", language)
    window.shot(f"{language}-1-home")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name=words["choose"]).click()
    chooser.value.set_files(file)
    expect(page.get_by_role("heading", level=1, name=name)).to_be_visible()
    for column in ("size", "weight", "city", "day", "member", "y"):
        expect(page.get_by_role("cell", name=column, exact=True)).to_be_visible()
    window.shot(f"{language}-2-data-set")

    # Pick the target; change the budget and a range.
    page.get_by_role("link", name=words["tune"], exact=True).click()
    target = page.get_by_role("combobox", name=words["target"])
    target.click()
    target.fill("y")
    page.get_by_role("option", name=re.compile("^y")).click()
    page.get_by_role("textbox", name=words["trials"], exact=True).fill("6")
    page.get_by_role("button", name=re.compile(f"^{words['space']}")).click()
    page.get_by_role("textbox", name=f"num_leaves: {words['to']}").fill("40")
    window.shot(f"{language}-3-new-experiment", full=True)
    page.get_by_role("button", name=words["tune"], exact=True).click()

    # Watch it to its end, without touching the page.
    page.wait_for_url("**/experiments/0*")
    expect(page.locator("[data-chart] canvas")).to_be_visible(timeout=60_000)
    window.shot(f"{language}-4-live")
    expect(page.get_by_test_id("experiment-state")).to_have_text(words["completed"], timeout=120_000)
    experiment_id = page.url.rpartition("/")[2]
    seen = api.get(f"/api/v1/experiments/{experiment_id}")
    assert seen["search_space"]["num_leaves"]["high"] == 40
    assert seen["trials"]["completed"] == 6
    expect(page.locator("tbody tr[aria-rowindex]")).to_have_count(6)
    expect(page.get_by_test_id("best-value")).to_have_text(f"{seen['best']['value']:.4f}")
    expect(page.get_by_text(f"{seen['best']['holdout_value']:.4f}", exact=True)).to_be_visible()
    window.shot(f"{language}-5-completed")

    # A trial: its curve, its log, its files.
    page.get_by_role("button", name=words["open"], exact=True).click()
    drawer = page.get_by_role("dialog")
    expect(drawer.locator("canvas")).to_be_visible()
    window.shot(f"{language}-6-trial")
    drawer.get_by_role("tab", name=words["log"]).click()
    expect(drawer.get_by_role("log")).to_contain_text("trial")
    drawer.get_by_role("tab", name=words["files"]).click()
    expect(drawer.get_by_role("link", name="model/model.txt")).to_be_visible()
    drawer.get_by_role("button", name=words["close"]).click()
    expect(drawer).to_be_hidden()
    page.get_by_role("tab", name=words["parameters"]).click()
    expect(page.locator("[data-chart] canvas").nth(2)).to_be_visible()
    window.shot(f"{language}-7-parameters", full=True)

    # Download the model.
    with page.expect_download() as download:
        page.get_by_role("button", name=words["download"]).click()
    with zipfile.ZipFile(download.value.path()) as bundle:
        assert {"manifest.json", "model.txt", "signature.json"} <= {Path(name).name for name in bundle.namelist()}

    # Deploy it and ask it.
    page.get_by_role("button", name=words["deploy"]).click()
    dialog = page.get_by_role("dialog")
    field = dialog.get_by_role("textbox", name=words["name"])
    expect(field).to_have_value(re.compile(r"^[a-z0-9-]+$"))
    field.fill(f"sales-{language}")
    window.shot(f"{language}-8-deploy")
    dialog.get_by_role("button", name=words["deploy"]).click()
    expect(page.get_by_test_id("endpoint-state")).to_have_text(words["ready"], timeout=30_000)
    example = api.get(f"/api/v1/endpoints/sales-{language}/schema")["input_example"]
    expect(page.get_by_role("textbox", name="weight")).to_have_value(f"{example['weight']:g}")
    page.get_by_role("textbox", name="size").fill("2.5")
    page.get_by_role("combobox", name="city").fill("서울")
    page.get_by_role("button", name=words["predict"], exact=True).click()
    row = {**example, "size": 2.5, "city": "서울"}
    expected = api.predict(f"sales-{language}", row)
    expect(page.get_by_test_id("prediction")).to_have_text(str(expected["predictions"][0]))
    expect(page.get_by_role("table", name=words["chances"]).get_by_role("row")).to_have_count(2)
    window.shot(f"{language}-9-prediction", full=True)

    # The same call as code gives the same answer.
    shown = page.get_by_test_id("code")
    expect(shown).to_contain_text("2.5")
    curl = shown.inner_text()
    sent = json.loads(curl.partition(" -d '")[2].rstrip("'"))
    assert sent["instances"][0]["size"] == 2.5
    page.get_by_role("tab", name="Python").click()
    expect(shown).to_contain_text("import ")
    code = shown.inner_text()
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert str(expected["predictions"]) in printed


def test_by_keyboard_alone(open_window: OpenWindow, api: Api) -> None:
    dataset = api.upload(table(500, hard=True), "keyboard")
    window = open_window()
    page = window.page
    keys = page.keyboard
    window.go("/datasets")

    # The first Tab leads past the navigation.
    keys.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    keys.press("Enter")
    window.tab_to(page.get_by_role("button", name="Choose a file"))
    window.tab_to(page.locator(f"a[href='/datasets/{dataset['id']}']"))
    keys.press("Enter")

    # A new page gives the focus to its title, so that the next Tab begins there.
    expect(page.get_by_role("heading", level=1, name="keyboard")).to_be_focused()
    window.tab_to(page.get_by_role("link", name="Tune", exact=True))
    keys.press("Enter")
    window.tab_to(page.get_by_role("combobox", name="What should be predicted?"))
    keys.type("y")
    expect(page.get_by_role("option").first).to_have_text(re.compile("^y"))
    keys.press("Enter")
    trials = page.get_by_role("textbox", name="Trials", exact=True)
    expect(trials).to_be_visible()
    window.tab_to(trials)
    keys.press("Control+A")
    keys.type("3")
    advanced = page.get_by_role("button", name=re.compile("^Advanced"))
    window.tab_to(advanced)
    keys.press("Enter")
    expect(advanced).to_have_attribute("aria-expanded", "true")
    window.tab_to(page.get_by_role("button", name="Tune", exact=True))
    keys.press("Enter")

    page.wait_for_url("**/experiments/0*")
    expect(page.get_by_test_id("experiment-state")).to_have_text("Completed", timeout=120_000)
    window.tab_to(page.get_by_role("radio", name="Chart"))
    keys.press("ArrowRight")
    expect(page.get_by_role("columnheader", name="Best so far")).to_be_visible()
    window.tab_to(page.get_by_role("button", name="num_leaves"))
    keys.press("Enter")
    expect(page).to_have_url(re.compile("sort=param"))
    opener = page.get_by_role("button", name="Open trial 2", exact=True)
    window.tab_to(opener)
    keys.press("Enter")
    drawer = page.get_by_role("dialog")
    expect(drawer).to_be_visible()
    keys.press("Escape")
    expect(drawer).to_be_hidden()
    expect(opener).to_be_focused()

    window.go(page.url)
    window.tab_to(page.get_by_role("button", name="Deploy"))
    keys.press("Enter")
    expect(page.get_by_role("textbox", name="Name of the endpoint")).to_be_focused()
    keys.press("Control+A")
    keys.type("by-keyboard")
    keys.press("Enter")
    expect(page.get_by_role("heading", level=1, name="by-keyboard")).to_be_visible()
    predict = page.get_by_role("button", name="Predict", exact=True)
    expect(predict).to_be_visible(timeout=30_000)
    window.tab_to(predict)
    keys.press("Enter")
    expect(page.get_by_test_id("prediction")).to_have_text(re.compile("yes|no"))

"""What annoys whoever uses the page first: answers out of sight, lost choices, things deleted elsewhere."""

import re

from playwright.sync_api import expect

from tests.browser.conftest import OpenWindow, World
from tests.e2e.api import Api, table


def test_target_outlives_going_back_and_loading_again(open_window: OpenWindow, world: World) -> None:
    window = open_window()
    page = window.page
    window.go(f"/experiments/new?dataset={world.dataset_id}")
    target = page.get_by_role("combobox", name="What should be predicted?")
    target.fill("y")
    page.get_by_role("option", name=re.compile("^y")).click()
    expect(page.get_by_role("button", name="Tune", exact=True)).to_be_visible()
    page.get_by_role("navigation").get_by_role("link", name="Models").click()
    expect(page.get_by_role("heading", level=1, name="Models")).to_be_visible()
    page.go_back()
    expect(target).to_have_value("y")
    page.reload()
    expect(target).to_have_value("y")


def test_answer_is_in_sight_on_a_phone(open_window: OpenWindow, world: World) -> None:
    window = open_window()
    page = window.page
    page.set_viewport_size({"width": 390, "height": 700})
    window.go(f"/endpoints/{world.endpoint}")
    page.get_by_role("button", name="Predict", exact=True).click()
    expect(page.get_by_test_id("prediction")).to_be_in_viewport()
    window.shot("phone-prediction")


def test_search_space_fits_a_phone(open_window: OpenWindow, world: World) -> None:
    window = open_window()
    page = window.page
    page.set_viewport_size({"width": 390, "height": 844})
    window.go(f"/experiments/new?dataset={world.dataset_id}&target=y")
    page.get_by_role("button", name=re.compile("^Search space")).click()
    expect(page.get_by_role("textbox", name="num_leaves: To")).to_be_visible()
    page.wait_for_function(
        """() => {
          const space = document.querySelector('[role=group][aria-label="Search space"]');
          return space.clientWidth > 200 && space.scrollWidth <= space.clientWidth;
        }"""
    )
    window.accessible()
    window.shot("phone-search-space", full=True)


def test_experiment_deleted_elsewhere_is_not_shown_as_if_it_were_there(open_window: OpenWindow, api: Api) -> None:
    dataset = api.upload(table(800, hard=True), "deleted elsewhere")
    made = api.tune(dataset["id"], name="deleted elsewhere", budget={"max_trials": 500})
    path = f"/api/v1/experiments/{made['id']}"
    api.http.post(f"{path}/pause").raise_for_status()
    window = open_window()
    page = window.page
    window.go(f"/experiments/{made['id']}")
    expect(page.get_by_test_id("experiment-state")).to_have_text("Paused")
    api.http.post(f"{path}/stop").raise_for_status()
    expect(page.get_by_test_id("experiment-state")).to_have_text("Stopped")
    api.http.delete(path).raise_for_status()
    # Whoever comes back to the tab finds out.
    page.evaluate("document.dispatchEvent(new Event('visibilitychange', { bubbles: true }))")
    expect(page.get_by_role("alert")).to_contain_text("There is no such thing")
    page.get_by_role("link", name="All experiments").click()
    expect(page.get_by_role("heading", level=1, name="Experiments")).to_be_visible()


def test_deploying_takes_over_no_endpoint_of_another_model(open_window: OpenWindow, api: Api, world: World) -> None:
    # Of neither name anything can stand in an address, so that both would be called the same.
    for name in ("손님", "거래"):
        made = api.tune(world.dataset_id, name=name, budget={"max_trials": 2})
        assert api.wait(made["id"])["state"] == "completed"
        window = open_window(locale="ko-KR")
        page = window.page
        window.go(f"/experiments/{made['id']}")
        page.get_by_role("button", name="배포").click()
        field = page.get_by_role("dialog").get_by_role("textbox", name="엔드포인트 이름")
        expect(field).to_have_value("model" if name == "손님" else "model-2")
        page.get_by_role("dialog").get_by_role("button", name="배포").click()
        expect(page.get_by_test_id("endpoint-state")).to_have_text("준비됨")
    for endpoint in ("model", "model-2"):
        api.http.delete(f"/api/v1/endpoints/{endpoint}").raise_for_status()

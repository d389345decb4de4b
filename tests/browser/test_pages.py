"""Every page: read by axe in both themes, at any address, empty, and when the server fails."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import OpenWindow, World
from tests.e2e.api import Api, table


def _open_search_space(page: Page) -> None:
    page.get_by_role("combobox", name="What should be predicted?").fill("y")
    page.get_by_role("option", name=re.compile("^y")).click()
    for section in ("Columns", "Search space", "Advanced"):
        page.get_by_role("button", name=re.compile(f"^{section}")).click()
    expect(page.get_by_role("textbox", name="Seed")).to_be_visible()


def _predict(page: Page) -> None:
    page.get_by_role("combobox", name="city").fill("Atlantis")
    page.get_by_role("button", name="Predict", exact=True).click()
    expect(page.get_by_text(re.compile("Atlantis")).first).to_be_visible()
    expect(page.get_by_test_id("prediction")).to_be_visible()


def _press(role: str, name: str) -> Callable[[Page], None]:
    def press(page: Page) -> None:
        page.get_by_role(role, name=name).first.click()  # type: ignore[arg-type]
        expect(page.locator("[role=dialog], [role=menu]").first).to_be_visible()

    return press


Visit = tuple[str, str, Callable[[Page], None] | None]
VISITS: list[Visit] = [
    ("home", "/", None),
    ("datasets", "/datasets", None),
    ("dataset", "/datasets/{dataset_id}", None),
    ("dataset-preview", "/datasets/{dataset_id}?tab=preview", None),
    ("dataset-delete", "/datasets/{dataset_id}", _press("button", "More actions")),
    ("new-experiment", "/experiments/new", None),
    ("new-experiment-open", "/experiments/new?dataset={dataset_id}", _open_search_space),
    ("experiments", "/experiments", None),
    ("experiment", "/experiments/{experiment_id}", None),
    ("experiment-parameters", "/experiments/{experiment_id}?tab=parameters", None),
    ("experiment-settings", "/experiments/{experiment_id}?tab=settings", None),
    ("experiment-deploy", "/experiments/{experiment_id}", _press("button", "Deploy")),
    ("trial", "/experiments/{experiment_id}?trial=2", None),
    ("models", "/models", None),
    ("model", "/models/{experiment}", None),
    ("endpoints", "/endpoints", None),
    ("endpoint", "/endpoints/{endpoint}", _predict),
    ("endpoint-switch", "/endpoints/{endpoint}", _press("button", "Switch version")),
    ("nowhere", "/no/such/place", None),
]


def _settle(page: Page) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    expect(page.locator("[aria-busy=true], .mantine-Skeleton-root")).to_have_count(0)


def _too_wide(page: Page, width: int) -> int:
    """Return by how many pixels the page scrolls sideways in a window of that width."""
    before = page.viewport_size
    page.set_viewport_size({"width": width, "height": 800})
    # A canvas follows its frame a moment later; what stays too wide counts.
    wide: int = page.evaluate(
        """async () => {
          const { documentElement: root } = document;
          for (let turn = 0; turn < 60 && root.scrollWidth > root.clientWidth; turn++)
            await new Promise(requestAnimationFrame);
          return root.scrollWidth - root.clientWidth;
        }"""
    )
    if before:
        page.set_viewport_size(before)
    return wide


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_for_everyone(open_window: OpenWindow, world: World, scheme: str) -> None:
    window = open_window(scheme=scheme, motion="reduce")  # a colour is judged as it stays, not while it fades in
    page = window.page
    faults: list[str] = []
    titles: set[str] = set()
    for name, path, act in VISITS:
        page.goto(path.format(**vars(world)))
        _settle(page)
        if scheme == "light":
            faults += [f"{name}: {wide} px too wide at {at}" for at in (390, 820) if (wide := _too_wide(page, at))]
        if act:
            act(page)
        faults += [f"{name}: {fault}" for fault in window.accessibility_faults()]
        window.shot(f"page-{name}-{scheme}")
        titles.add(page.title())
    assert not faults, "\n".join(faults)
    assert all(title.endswith(" · MelonKube") for title in titles)
    assert len(titles) >= 9


def test_address_holds_the_view(open_window: OpenWindow, world: World) -> None:
    window = open_window()
    page = window.page
    window.go(f"/experiments/{world.experiment_id}")
    page.get_by_role("button", name="num_leaves", exact=True).click()
    page.locator("label", has_text="Completed").click()
    page.get_by_role("button", name="Open trial 3", exact=True).click()
    expect(page.get_by_role("dialog", name="Trial 3")).to_be_visible()
    address = page.url
    expect(page.locator("th[aria-sort=ascending], th[aria-sort=descending]")).to_have_text(re.compile("num_leaves"))
    order = page.locator("tbody tr[aria-rowindex] td:first-child").all_inner_texts()
    assert len(order) == 12
    other = open_window()
    other.page.goto(address)
    expect(other.page.get_by_role("dialog", name="Trial 3")).to_be_visible()
    # The dialog may stand before the table behind it has its rows.
    expect(other.page.locator("tbody tr[aria-rowindex] td:first-child")).to_have_text(order)
    expect(other.page.get_by_role("checkbox", name="Completed", include_hidden=True)).to_be_checked()


def test_language_is_switched_and_remembered(open_window: OpenWindow) -> None:
    window = open_window(locale="fr-FR")
    page = window.page
    window.go("/endpoints")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.get_by_role("button", name="Language: English").click()
    page.get_by_role("menuitem", name="한국어").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("엔드포인트")
    expect(page).to_have_title("엔드포인트 · MelonKube")
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("엔드포인트")
    expect(page.locator("html")).to_have_attribute("lang", "ko")


def test_colours_are_switched_and_remembered(open_window: OpenWindow) -> None:
    window = open_window(scheme="light")
    page = window.page
    window.go("/")
    page.get_by_role("button", name="Colours: System").click()
    page.get_by_role("menuitem", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")


def test_empty_lists_say_what_to_do(open_window: OpenWindow) -> None:
    window = open_window()
    page = window.page
    page.route(
        re.compile(r"/api/v1/(datasets|experiments|models|endpoints|samples)(\?|$)"),
        lambda route: route.fulfill(json={"items": [], "next_cursor": None}),
    )
    for path, action in (
        ("/", "Choose a file"),
        ("/datasets", "Choose a file"),
        ("/experiments", "Go to the data sets"),
        ("/experiments/new", "Go to the data sets"),
        ("/models", "Go to the experiments"),
        ("/endpoints", "Go to the experiments"),
    ):
        window.go(path)
        expect(page.locator("main").get_by_text(re.compile("yet")).first).to_be_visible()
        expect(
            page.locator("main").get_by_role("button", name=action).or_(page.get_by_role("link", name=action))
        ).to_be_visible()
        window.accessible()
    window.shot("empty-endpoints")


def test_unreachable_server_is_said_and_overcome(open_window: OpenWindow) -> None:
    window = open_window()
    page = window.page
    window.go("/models")
    page.route("**/api/**", lambda route: route.abort("connectionrefused"))
    page.get_by_role("navigation").get_by_role("link", name="Endpoints").click()
    expect(page.get_by_role("alert")).to_contain_text("The server cannot be reached", timeout=30_000)
    expect(page.get_by_role("button", name="No connection")).to_be_visible(timeout=30_000)
    window.accessible()
    window.shot("unreachable")
    page.unroute("**/api/**")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("alert")).to_be_hidden()
    expect(page.get_by_role("button", name="All systems ready")).to_be_visible(timeout=30_000)


@pytest.mark.parametrize("place", ["datasets", "experiments", "models", "endpoints"])
def test_what_does_not_exist_leads_back(open_window: OpenWindow, place: str) -> None:
    missing = "01900000-0000-7000-8000-000000000000" if place in ("datasets", "experiments") else "missing"
    window = open_window()
    window.go(f"/{place}/{missing}")
    expect(window.page.get_by_role("alert")).to_contain_text("There is no such thing")
    window.accessible()
    window.page.get_by_role("main").get_by_role("link").last.click()
    expect(window.page).to_have_url(re.compile(f"/{place}$"))


def test_refused_prediction_names_the_field(open_window: OpenWindow, world: World) -> None:
    window = open_window(locale="ko-KR")
    page = window.page
    window.go(f"/endpoints/{world.endpoint}")
    weight = page.get_by_role("textbox", name="weight")
    weight.fill("heavy")
    page.get_by_role("button", name="예측", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("이 행은 예측할 수 없습니다")
    expect(weight).to_have_attribute("aria-invalid", "true")
    window.accessible()
    window.shot("refused-prediction")


def test_refused_experiment_is_shown_at_its_field(open_window: OpenWindow, world: World) -> None:
    window = open_window()
    page = window.page
    window.go(f"/experiments/new?dataset={world.dataset_id}&target=y")
    page.get_by_role("button", name=re.compile("^Advanced")).click()
    name = page.get_by_role("textbox", name="Name")
    name.fill(world.experiment)
    page.get_by_role("button", name="Tune", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("That name is taken")
    window.accessible()
    # A target that cannot be predicted is named where it is chosen.
    window.go(f"/experiments/new?dataset={world.dataset_id}&target=constant")
    target = page.get_by_role("combobox", name="What should be predicted?")
    expect(target).to_have_attribute("aria-invalid", "true")
    window.accessible()


def test_pause_resume_stop_delete(open_window: OpenWindow, api: Api) -> None:
    dataset = api.upload(table(2000, hard=True), "long search")
    made = api.tune(dataset["id"], name="long search", budget={"max_trials": 5000})
    window = open_window()
    page = window.page
    window.go(f"/experiments/{made['id']}")
    state = page.get_by_test_id("experiment-state")
    page.get_by_role("button", name="Pause").click()
    expect(state).to_have_text("Paused")
    page.get_by_role("button", name="Resume").click()
    expect(state).to_have_text("Running")
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("dialog").get_by_role("button", name="Stop").click()
    expect(state).to_have_text("Stopped")
    expect(page.get_by_role("button", name="Pause")).to_be_hidden()
    page.get_by_role("button", name="More actions").click()
    page.get_by_role("menuitem", name="Delete").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("long search is removed")
    dialog.get_by_role("button", name="Delete").click()
    expect(page).to_have_url(re.compile("/experiments$"))
    expect(page.get_by_role("link", name="long search")).to_have_count(0)
    assert api.http.get(f"/api/v1/experiments/{made['id']}").status_code == 404


def test_events_missed_while_the_stream_was_down_are_made_up(open_window: OpenWindow, api: Api) -> None:
    dataset = api.upload(table(1500, hard=True), "broken line")
    made = api.tune(dataset["id"], name="broken line", budget={"max_trials": 25})
    api.http.post(f"/api/v1/experiments/{made['id']}/pause").raise_for_status()  # it waits until the page is there
    window = open_window()
    page = window.page
    asked: list[str] = []

    def breaking(route: Route) -> None:
        asked.append(route.request.headers.get("last-event-id", ""))
        if len(asked) == 1:
            route.abort("connectionreset")
        else:
            route.continue_()

    page.route("**/events", breaking)
    state = page.get_by_test_id("experiment-state")
    window.go(f"/experiments/{made['id']}")
    expect(state).to_have_text("Paused")
    api.http.post(f"/api/v1/experiments/{made['id']}/resume").raise_for_status()
    expect(state).to_have_text("Completed", timeout=120_000)
    assert len(asked) >= 2
    expect(page.get_by_text("25 trials", exact=True)).to_be_visible()


def test_alias_is_set_moved_and_followed(open_window: OpenWindow, api: Api, world: World) -> None:
    other = next(trial for trial in api.trials(world.experiment_id) if trial["number"] == 1)
    made = api.http.post(f"/api/v1/models/{world.experiment}/versions", json={"run_id": other["run_id"]})
    version = made.json()["version"]
    window = open_window()
    page = window.page
    window.go(f"/models/{world.experiment}?version=1")
    page.get_by_role("textbox", name="Alias").fill("production")
    page.get_by_role("button", name="Set on this version").click()
    expect(page.get_by_role("button", name="Remove the alias production")).to_be_visible()
    window.go(f"/endpoints/{world.endpoint}")
    page.get_by_role("button", name="Switch version").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("combobox", name="Version or alias").click()
    page.get_by_role("option", name="production → v1").click()
    dialog.get_by_role("button", name="Switch").click()
    expect(page.get_by_text("The alias production")).to_be_visible()
    window.go(f"/models/{world.experiment}?version={version}")
    page.get_by_role("button", name=f"Move the alias production to version {version}").click()
    expect(page.get_by_role("button", name="Remove the alias production")).to_be_visible()
    window.go(f"/endpoints/{world.endpoint}")
    expect(page.get_by_role("link", name=f"{world.experiment} v{version}")).to_be_visible(timeout=30_000)
    # What an endpoint depends on cannot be deleted, and the page says why.
    window.go(f"/models/{world.experiment}")
    page.get_by_role("button", name="More actions").click()
    page.get_by_role("menuitem", name="Delete the model").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("Something else still depends on it")
    window.accessible("[role=dialog]")

// Sets the colour scheme before the first paint; a file of its own because the page allows no inline script.
(() => {
  let scheme = null;
  try {
    scheme = localStorage.getItem("melon.scheme");
  } catch {
    // Storage may be closed to the page; the system's preference then holds.
  }
  const dark =
    scheme === "dark" || (scheme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.setAttribute("data-mantine-color-scheme", dark ? "dark" : "light");
})();

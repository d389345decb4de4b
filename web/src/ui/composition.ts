/**
 * Keeps Enter from doing anything while a syllable is being composed: there it ends the syllable, and must not send
 * the form or choose from a list as well. `keyCode` 229 is what Safari gives after the composition has ended.
 */
export function ignoreEnterWhileComposing(target: Document | HTMLElement): () => void {
  const onKey = (event: Event) => {
    const key = event as KeyboardEvent;
    if (key.key === "Enter" && (key.isComposing || key.keyCode === 229)) {
      key.preventDefault();
      key.stopPropagation();
    }
  };
  target.addEventListener("keydown", onKey, true);
  return () => target.removeEventListener("keydown", onKey, true);
}

import { afterEach, describe, expect, it, vi } from "vitest";
import { ignoreEnterWhileComposing } from "./composition";

let stop: () => void = () => undefined;
afterEach(() => stop());

function press(init: KeyboardEventInit & { keyCode?: number }): { reached: boolean; prevented: boolean } {
  const input = document.createElement("input");
  document.body.append(input);
  const reached = vi.fn();
  input.addEventListener("keydown", reached);
  const event = new KeyboardEvent("keydown", { bubbles: true, cancelable: true, ...init });
  if (init.keyCode !== undefined) Object.defineProperty(event, "keyCode", { value: init.keyCode });
  input.dispatchEvent(event);
  input.remove();
  return { reached: reached.mock.calls.length > 0, prevented: event.defaultPrevented };
}

describe("ignoreEnterWhileComposing", () => {
  it("stops the Enter that ends a syllable", () => {
    stop = ignoreEnterWhileComposing(document);
    expect(press({ key: "Enter", isComposing: true })).toEqual({ reached: false, prevented: true });
    expect(press({ key: "Enter", keyCode: 229 })).toEqual({ reached: false, prevented: true });
  });

  it("lets every other key through", () => {
    stop = ignoreEnterWhileComposing(document);
    expect(press({ key: "Enter" })).toEqual({ reached: true, prevented: false });
    expect(press({ key: "a", isComposing: true })).toEqual({ reached: true, prevented: false });
  });
});

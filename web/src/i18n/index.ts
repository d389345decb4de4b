import i18next from "i18next";
import { initReactI18next } from "react-i18next";

export const LANGUAGES = ["en", "ko"] as const;
export type Language = (typeof LANGUAGES)[number];

/** Each language in its own name, as a person who reads it looks for it. */
export const LANGUAGE_NAMES: Record<Language, string> = { en: "English", ko: "한국어" };

const STORE = "melon.language";

const loaders = {
  en: () => import("./en/index"),
  ko: () => import("./ko/index"),
} satisfies Record<Language, () => Promise<unknown>>;

/** The language chosen earlier, else the first of the browser's that there is, else English. */
export function detectLanguage(stored: string | null, preferred: readonly string[]): Language {
  if (stored === "en" || stored === "ko") return stored;
  for (const tag of preferred) {
    const base = tag.toLowerCase().split("-")[0];
    if (base === "en" || base === "ko") return base;
  }
  return "en";
}

function stored(): string | null {
  try {
    return localStorage.getItem(STORE);
  } catch {
    return null;
  }
}

async function load(language: Language): Promise<void> {
  if (i18next.hasResourceBundle(language, "translation")) return;
  const texts = await loaders[language]();
  i18next.addResourceBundle(language, "translation", texts.default);
}

export async function startI18n(
  language: Language = detectLanguage(stored(), navigator.languages),
): Promise<void> {
  await i18next.use(initReactI18next).init({
    lng: language,
    fallbackLng: false,
    resources: {},
    interpolation: { escapeValue: false },
    returnNull: false,
  });
  await load(language);
  document.documentElement.lang = language;
}

/** Switches the language of the page and remembers it. */
export async function switchLanguage(language: Language): Promise<void> {
  await load(language);
  await i18next.changeLanguage(language);
  document.documentElement.lang = language;
  try {
    localStorage.setItem(STORE, language);
  } catch {
    // A page that may not store anything still switches.
  }
}

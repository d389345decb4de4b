import { Menu, UnstyledButton, useMantineColorScheme } from "@mantine/core";
import { Check, Languages, Monitor, Moon, Sun } from "lucide-react";
import { useTranslation } from "react-i18next";
import { LANGUAGE_NAMES, LANGUAGES, type Language, switchLanguage } from "@/i18n";
import classes from "./Shell.module.css";

const SCHEMES = [
  { value: "auto", icon: Monitor },
  { value: "light", icon: Sun },
  { value: "dark", icon: Moon },
] as const;

/** Language and colours; both are remembered in the browser. */
export function Preferences() {
  const { t, i18n } = useTranslation();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const Scheme = SCHEMES.find((scheme) => scheme.value === colorScheme)?.icon ?? Monitor;
  return (
    <div className={classes.switches}>
      <Menu position="top-start">
        <Menu.Target>
          <UnstyledButton
            className={classes.switch}
            aria-label={t("prefs.language", { name: LANGUAGE_NAMES[i18n.language as Language] })}
          >
            <Languages size={15} aria-hidden />
            {LANGUAGE_NAMES[i18n.language as Language]}
          </UnstyledButton>
        </Menu.Target>
        <Menu.Dropdown>
          {LANGUAGES.map((language) => (
            <Menu.Item
              key={language}
              lang={language}
              onClick={() => void switchLanguage(language)}
              rightSection={language === i18n.language ? <Check size={14} aria-hidden /> : null}
            >
              {LANGUAGE_NAMES[language]}
            </Menu.Item>
          ))}
        </Menu.Dropdown>
      </Menu>
      <Menu position="top-start">
        <Menu.Target>
          <UnstyledButton
            className={classes.switch}
            aria-label={t("prefs.colours", { name: t(`prefs.${colorScheme}`) })}
          >
            <Scheme size={15} aria-hidden />
            {t(`prefs.${colorScheme}`)}
          </UnstyledButton>
        </Menu.Target>
        <Menu.Dropdown>
          {SCHEMES.map(({ value, icon: Icon }) => (
            <Menu.Item
              key={value}
              leftSection={<Icon size={14} aria-hidden />}
              rightSection={value === colorScheme ? <Check size={14} aria-hidden /> : null}
              onClick={() => setColorScheme(value)}
            >
              {t(`prefs.${value}`)}
            </Menu.Item>
          ))}
        </Menu.Dropdown>
      </Menu>
    </div>
  );
}

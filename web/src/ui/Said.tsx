import { useTranslation } from "react-i18next";
import classes from "./Notice.module.css";

/**
 * A sentence of the server, which speaks English: the words themselves on an English page; elsewhere what stands
 * below the page's own words, in a smaller type and marked as English for whoever listens.
 */
export function Said({ children }: { children: string }) {
  const { i18n } = useTranslation();
  if (i18n.language === "en") return children;
  return (
    <span lang="en" className={classes.said}>
      {children}
    </span>
  );
}

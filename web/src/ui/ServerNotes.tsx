import { useTranslation } from "react-i18next";
import { Notice } from "./Notice";
import classes from "./Notice.module.css";
import { Said } from "./Said";

interface ServerNotesProps {
  /** The server's sentences. */
  items: readonly string[] | undefined;
  /** The same in the page's words, as far as it knows them; shown on a page that is not in English. */
  known?: readonly string[];
  title?: string;
  tone?: "note" | "warning";
}

/** What the server wants to have known. Its own sentences come second, and not at all where the page has said it all. */
export function ServerNotes({ items = [], known = [], title, tone = "note" }: ServerNotesProps) {
  const { t, i18n } = useTranslation();
  if (items.length === 0) return null;
  const own = i18n.language === "en" ? [] : known;
  const rest = own.length >= items.length ? [] : items;
  return (
    <Notice title={title ?? t("datasets.notes")} tone={tone}>
      <ul className={classes.list}>
        {own.map((item) => (
          <li key={item}>{item}</li>
        ))}
        {rest.map((item) => (
          <li key={item}>
            <Said>{item}</Said>
          </li>
        ))}
      </ul>
    </Notice>
  );
}

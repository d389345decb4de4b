import { Tag } from "lucide-react";
import { useTranslation } from "react-i18next";
import classes from "./Models.module.css";

/** An alias, and the version it names where that is not plain from its place. */
export function AliasMark({ alias, version }: { alias: string; version?: number }) {
  const { t } = useTranslation();
  return (
    <span className={classes.alias}>
      <Tag size={12} aria-hidden />
      {version === undefined ? alias : t("models.aliasVersion", { alias, version })}
    </span>
  );
}

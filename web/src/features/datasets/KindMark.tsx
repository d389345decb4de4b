import { Calendar, Hash, type LucideIcon, Tag, TextInitial, ToggleLeft } from "lucide-react";
import { useTranslation } from "react-i18next";
import type { Kind } from "@/api/generated";
import classes from "./Datasets.module.css";

const ICONS: Record<Kind, LucideIcon> = {
  numeric: Hash,
  categorical: Tag,
  boolean: ToggleLeft,
  datetime: Calendar,
  text: TextInitial,
};

/** What a column means to a model: a shape and a word. */
export function KindMark({ kind }: { kind: Kind }) {
  const { t } = useTranslation();
  const Icon = ICONS[kind];
  return (
    <span className={classes.kind}>
      <Icon size={14} aria-hidden />
      {t(`kinds.${kind}`)}
    </span>
  );
}

import { Info, TriangleAlert } from "lucide-react";
import type { ReactNode } from "react";
import classes from "./Notice.module.css";

interface NoticeProps {
  /** `problem` interrupts those who listen; `status` is said when they pause; the others are simply there. */
  tone?: "note" | "warning" | "status" | "problem";
  title?: string | undefined;
  children?: ReactNode;
}

/** Something to know: a shape and words, the colour only besides. */
export function Notice({ tone = "note", title, children }: NoticeProps) {
  const Icon = tone === "problem" || tone === "warning" ? TriangleAlert : Info;
  const role = tone === "problem" ? "alert" : tone === "status" ? "status" : undefined;
  return (
    <div className={classes.notice} data-tone={tone} role={role}>
      <Icon size={17} aria-hidden className={classes.icon} />
      <div className={classes.body}>
        {title && <div className={classes.title}>{title}</div>}
        {children}
      </div>
    </div>
  );
}

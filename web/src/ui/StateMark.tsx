import {
  CircleCheck,
  CircleDashed,
  CircleDot,
  CirclePause,
  CircleSlash,
  CircleX,
  Loader,
  type LucideIcon,
  Scissors,
} from "lucide-react";
import { useTranslation } from "react-i18next";
import classes from "./StateMark.module.css";

type State =
  | "queued"
  | "leased"
  | "running"
  | "paused"
  | "completed"
  | "pruned"
  | "stopped"
  | "failed"
  | "lost"
  | "parsing"
  | "loading"
  | "ready";

const MARKS: Record<State, [icon: LucideIcon, tone: "grey" | "blue" | "amber" | "green" | "red"]> = {
  queued: [CircleDashed, "grey"],
  leased: [CircleDashed, "blue"],
  running: [CircleDot, "blue"],
  paused: [CirclePause, "amber"],
  completed: [CircleCheck, "green"],
  pruned: [Scissors, "grey"],
  stopped: [CircleSlash, "grey"],
  failed: [CircleX, "red"],
  lost: [CircleSlash, "amber"],
  parsing: [Loader, "blue"],
  loading: [Loader, "blue"],
  ready: [CircleCheck, "green"],
};

/** A state: a shape and a word, the colour only besides. */
export function StateMark({ state }: { state: State }) {
  const { t } = useTranslation();
  const [Icon, tone] = MARKS[state];
  return (
    <span className={classes.mark} data-state={state}>
      <Icon size={15} aria-hidden style={{ color: `var(--melon-${tone})` }} />
      <span>{t(`states.${state}`)}</span>
    </span>
  );
}

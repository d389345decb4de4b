import { Progress, Text, UnstyledButton } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { isFinal } from "@/api/experiments";
import type { Experiment } from "@/api/generated";
import { NONE } from "@/ui/format";
import { useFormat } from "@/ui/use-format";
import classes from "./Experiment.module.css";
import { budgetUse, improvement } from "./progress";

/** What matters most: the best so far, how much better than the defaults it is, how far the search is. */
export function KeyFigures({
  experiment,
  onTrial,
}: {
  experiment: Experiment;
  onTrial: (number: number) => void;
}) {
  const { t } = useTranslation();
  const format = useFormat();
  const { best, baseline } = experiment;
  const gain = improvement(experiment);
  const ended = isFinal(experiment);
  return (
    <dl className={classes.figures}>
      <div>
        <dt>{t("figures.best", { metric: t(`metrics.${experiment.metric}`) })}</dt>
        <dd className={classes.large} data-testid="best-value">
          {best ? format.metric(best.value) : NONE}
        </dd>
        <Text size="xs" c="dimmed" component="dd">
          {best ? (
            <UnstyledButton className={classes.link} onClick={() => onTrial(best.number)}>
              {t("figures.byTrial", { number: format.count(best.number) })}
            </UnstyledButton>
          ) : (
            t(ended ? "figures.none" : "figures.noBest")
          )}
        </Text>
      </div>
      <div>
        <dt>{t("figures.versusDefaults")}</dt>
        <dd className={classes.middle}>{gain === null ? NONE : format.signed(gain, "percent")}</dd>
        <Text size="xs" c="dimmed" component="dd">
          {gain !== null && baseline
            ? t(gain > 0 ? "figures.better" : gain < 0 ? "figures.worse" : "figures.same", {
                value: format.metric(baseline.value),
              })
            : t(ended ? "figures.notCompared" : "figures.noBaseline")}
        </Text>
      </div>
      <div>
        <dt>{t("figures.holdout")}</dt>
        <dd className={classes.middle}>
          {best?.holdout_value == null ? NONE : format.metric(best.holdout_value)}
        </dd>
        <Text size="xs" c="dimmed" component="dd">
          {best?.holdout_value == null
            ? t(ended ? "figures.notScored" : "figures.holdoutLater")
            : baseline?.holdout_value == null
              ? t("figures.holdoutUnseen")
              : t("figures.holdoutBaseline", { value: format.metric(baseline.holdout_value) })}
        </Text>
      </div>
      <Advance experiment={experiment} />
    </dl>
  );
}

function Advance({ experiment }: { experiment: Experiment }) {
  const { t } = useTranslation();
  const format = useFormat();
  const { done, share } = budgetUse(experiment);
  const total = experiment.trials.total;
  const ended = isFinal(experiment);
  const failed = experiment.trials.failed ?? 0;
  const running = experiment.trials.running ?? 0;
  const notes = [
    running > 0 ? t("figures.running", { count: running, value: format.count(running) }) : null,
    failed > 0 ? t("figures.failed", { count: failed, value: format.count(failed) }) : null,
    t("figures.elapsed", { time: format.duration(experiment.elapsed_seconds) }),
  ].filter(Boolean);
  return (
    <div className={classes.advance}>
      <dt>{t("figures.trials")}</dt>
      <dd className={classes.middle} data-testid="trial-count">
        {total
          ? t("figures.of", { done: format.count(done), total: format.count(total) })
          : format.count(done)}
        {!ended && experiment.remaining_seconds != null && (
          <Text span size="sm" c="dimmed" ml="sm">
            {t("figures.remaining", { time: format.duration(experiment.remaining_seconds) })}
          </Text>
        )}
      </dd>
      <dd>
        {!ended && share !== null && (
          <Progress value={share * 100} size="sm" my={4} aria-label={t("figures.progress")} />
        )}
        <Text size="xs" c="dimmed">
          {notes.join(" · ")}
        </Text>
      </dd>
    </div>
  );
}

import { Paper, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { PredictAnswer, Signature } from "@/api/generated";
import { ServerNotes } from "@/ui/ServerNotes";
import { useFormat } from "@/ui/use-format";
import classes from "./Endpoints.module.css";
import { rankedProbabilities } from "./signature-form";

interface PredictionResultProps {
  result: { answer: PredictAnswer; milliseconds: number; unseen: string[] } | undefined;
  signature: Signature;
}

/** What the model answered: the prediction large, the chances of every class, what it was warned of. */
export function PredictionResult({ result, signature }: PredictionResultProps) {
  const { t } = useTranslation();
  const format = useFormat();
  if (!result) {
    return (
      <Paper withBorder p="md" bg="var(--melon-panel)">
        <Text c="dimmed" size="sm">
          {t("predict.none", { target: signature.target.name })}
        </Text>
      </Paper>
    );
  }
  const { answer, milliseconds, unseen } = result;
  const chances = answer.probabilities?.[0];
  return (
    <Paper withBorder p="md" bg="var(--melon-panel)">
      <Text size="xs" c="dimmed">
        {signature.target.name}
      </Text>
      <Text className={classes.prediction} data-testid="prediction">
        {format.scalar(answer.predictions[0])}
      </Text>
      {chances && (
        <table className={classes.chances} aria-label={t("predict.probabilities")}>
          <tbody>
            {rankedProbabilities(chances).map(([name, share]) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                <td className={classes.track}>
                  <div style={{ width: `${share * 100}%` }} />
                </td>
                <td className="num">{format.percent(share)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <div className={classes.notes}>
        <ServerNotes
          title={t("predict.warnings")}
          items={answer.warnings}
          known={unseen.map((name) => t("predict.unseen", { name }))}
          tone="warning"
        />
      </div>
      <Text size="xs" c="dimmed" mt="md" className="tabular">
        {t("predict.by", { model: answer.model, version: answer.version })}
        {" · "}
        {t("predict.took", { time: format.number(Math.round(milliseconds)) })}
      </Text>
    </Paper>
  );
}

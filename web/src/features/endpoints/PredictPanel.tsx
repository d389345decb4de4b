import { Button, Group, Skeleton } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { askEndpoint, endpointSchema, predictPath } from "@/api/endpoints";
import type { EndpointSchema } from "@/api/generated";
import { toProblem } from "@/api/problem";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { Section } from "@/ui/Section";
import { CodeLines } from "./CodeLines";
import classes from "./Endpoints.module.css";
import { FeatureField } from "./FeatureField";
import { PredictionResult } from "./PredictionResult";
import {
  curlLine,
  faultsOfRow,
  formToRow,
  pythonCode,
  type Row,
  rowToForm,
  unseenFeatures,
} from "./signature-form";

/** A form made from the model's signature, the answer beside it, and the same call as code. */
export function PredictPanel({ name, digest }: { name: string; digest: string }) {
  const query = useQuery(endpointSchema(name, digest));
  if (query.isError && !query.data)
    return <ProblemAlert error={query.error} onRetry={() => void query.refetch()} />;
  if (!query.data) return <Skeleton height={360} />;
  return <PredictForm key={digest} schema={query.data} />;
}

function PredictForm({ schema }: { schema: EndpointSchema }) {
  const { t } = useTranslation();
  const { features } = schema.signature;
  const [row, setRow] = useState<Row>(() => rowToForm(features, schema.input_example));
  const ask = useMutation({
    mutationFn: async (sent: Row) => {
      const started = performance.now();
      const sentRow = formToRow(features, sent);
      const answer = await askEndpoint(schema.name, [sentRow]);
      return { answer, milliseconds: performance.now() - started, unseen: unseenFeatures(features, sentRow) };
    },
  });
  const faults = faultsOfRow(ask.error ? toProblem(ask.error).errors : []);
  const result = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // In a narrow window it stands below the form, where nobody would see that there is an answer.
    if (ask.data) result.current?.scrollIntoView({ block: "nearest" });
  }, [ask.data]);
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    if (ask.error) form.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus();
  }, [ask.error]);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!ask.isPending) ask.mutate(row);
  };
  const url = window.location.origin + predictPath(schema.name);
  const body = formToRow(features, row);
  return (
    <>
      <div className={classes.columns}>
        <form onSubmit={submit} className={classes.form} ref={form} noValidate>
          <Section
            title={t("predict.title")}
            aside={
              <Button
                size="compact-xs"
                variant="subtle"
                onClick={() => setRow(rowToForm(features, schema.input_example))}
              >
                {t("predict.reset")}
              </Button>
            }
          >
            <div className={classes.fields}>
              {features.map((column) => (
                <FeatureField
                  key={column.name}
                  column={column}
                  value={row[column.name] ?? ""}
                  error={faults.fields[column.name]}
                  onChange={(value) => setRow((old) => ({ ...old, [column.name]: value }))}
                />
              ))}
            </div>
            <Group mt="lg" className={classes.bar}>
              <Button type="submit" loading={ask.isPending}>
                {t("predict.predict")}
              </Button>
            </Group>
          </Section>
        </form>
        <div className={classes.result} aria-live="polite" ref={result}>
          <Section title={t("predict.result")}>
            {ask.error ? (
              <ProblemAlert
                error={ask.error}
                brief={faults.others.length === 0 && Object.keys(faults.fields).length > 0}
              />
            ) : (
              <PredictionResult result={ask.data} signature={schema.signature} />
            )}
          </Section>
        </div>
      </div>
      <Section title={t("predict.code")}>
        <CodeLines curl={curlLine(url, body)} python={pythonCode(url, body)} />
      </Section>
    </>
  );
}

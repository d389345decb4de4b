import { zodResolver } from "@hookform/resolvers/zod";
import { Accordion, Button, Checkbox, Group, Select, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type RefObject, useRef, useState } from "react";
import { Controller, FormProvider, useForm, useWatch } from "react-hook-form";
import { useTranslation } from "react-i18next";
import { algorithmList, experimentKeys, makeExperiment } from "@/api/experiments";
import type { Dataset, ExperimentCreate, Suggestion, Task } from "@/api/generated";
import { newKey } from "@/api/http";
import { toProblem } from "@/api/problem";
import { executorInfo } from "@/api/system";
import { useItemText } from "@/i18n/problem-text";
import { Notice } from "@/ui/Notice";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { Said } from "@/ui/Said";
import { ServerNotes } from "@/ui/ServerNotes";
import { useFormat } from "@/ui/use-format";
import { ColumnsField } from "./ColumnsField";
import {
  type ColumnForm,
  fieldOfPointer,
  suggestedForm,
  type TuneForm,
  toRequest,
  tuneSchema,
} from "./form-model";
import { SpaceField } from "./SpaceField";
import type { FieldErrorKey } from "./space-form";
import classes from "./Tune.module.css";

const TASKS: readonly Task[] = ["binary", "multiclass", "regression"];

interface TuneFieldsProps {
  dataset: Dataset;
  target: string;
  suggestion: Suggestion;
  decided: RefObject<ColumnForm[]>;
  onTask: (task: Task) => void;
}

/** The message of a field: one of the page's own keys, or the server's sentence. */
export function useFieldError(): (message: string | undefined) => string | undefined {
  const { t, i18n } = useTranslation();
  return (message) => {
    if (!message) return undefined;
    return i18n.exists(`tune.errors.${message}`) ? t(`tune.errors.${message as FieldErrorKey}`) : message;
  };
}

/** Everything about an experiment but its target; simple at first sight, complete when opened. */
export function TuneFields({ dataset, target, suggestion, decided, onTask }: TuneFieldsProps) {
  const { t, i18n } = useTranslation();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const errorOf = useFieldError();
  const itemText = useItemText();
  const [open, setOpen] = useState<string[]>([]);
  const form = useForm<TuneForm>({
    defaultValues: suggestedForm(suggestion, decided.current),
    resolver: zodResolver(tuneSchema) as never,
    mode: "onBlur",
  });
  const { control, register, handleSubmit, setError, formState } = form;
  const { errors } = formState;
  const algorithms = useQuery(algorithmList());
  const executor = useQuery({
    ...executorInfo(),
    // What is wrong now may be put right while the form is filled in.
    refetchInterval: (query) => (query.state.data?.problem ? 5_000 : false),
  });
  const sent = useRef<{ body: string; key: string }>(null);

  const make = useMutation({
    mutationFn: (request: ExperimentCreate) => {
      // The same request sent again, after a failure on the way, must not make a second experiment.
      const body = JSON.stringify(request);
      if (sent.current?.body !== body) sent.current = { body, key: newKey() };
      return makeExperiment(request, sent.current.key);
    },
    onSuccess: (experiment) => {
      queries.setQueryData(experimentKeys.one(experiment.id), experiment);
      void queries.invalidateQueries({ queryKey: experimentKeys.list() });
      void navigate({ to: "/experiments/$experimentId", params: { experimentId: experiment.id } });
    },
    onError: (error) => {
      const values = form.getValues();
      const { code, errors: items } = toProblem(error);
      if (code === "name_taken") {
        setError("name", { message: t("errors.name_taken") });
        reveal("name");
      }
      for (const item of items) {
        const field = fieldOfPointer(item.pointer, values);
        if (field) setError(field as "name", { message: itemText(item).text });
        if (field) reveal(field);
      }
    },
  });
  const reveal = (field: string) => {
    const section = field.startsWith("columns") ? "columns" : field.startsWith("space") ? "space" : null;
    const plain = ["metric", "maxTrials", "maxMinutes", "target", "task"].includes(field);
    setOpen((old) => [...new Set([...old, section ?? (plain ? "" : "search")])].filter(Boolean));
  };
  const submit = handleSubmit(
    (values) =>
      make.mutate(toRequest(values, { datasetId: dataset.id, target, task: suggestion.task, suggestion })),
    (faults) => {
      for (const field of Object.keys(faults)) reveal(field);
    },
  );
  const changeTask = (value: string | null) => {
    const next = TASKS.find((each) => each === value);
    if (!next || next === suggestion.task) return;
    decided.current = form.getValues("columns");
    onTask(next);
  };

  return (
    <FormProvider {...form}>
      <form onSubmit={(event) => void submit(event)} noValidate>
        <Stack gap="lg">
          {executor.data?.problem && (
            <Notice tone="warning" title={t("executor.problem")}>
              <Said>{executor.data.problem}</Said>
            </Notice>
          )}
          <ServerNotes items={suggestion.warnings} />
          <div className={classes.row}>
            <Select
              label={t("fields.task")}
              description={t("tune.taskHint")}
              data={TASKS.map((value) => ({ value, label: t(`tasks.${value}`) }))}
              value={suggestion.task}
              allowDeselect={false}
              onChange={changeTask}
            />
            <Controller
              control={control}
              name="metric"
              render={({ field, fieldState }) => (
                <Select
                  label={t("fields.metric")}
                  description={t("tune.metricHint")}
                  data={suggestion.metrics.map((value) => ({ value, label: t(`metricsLong.${value}`) }))}
                  allowDeselect={false}
                  error={errorOf(fieldState.error?.message)}
                  {...field}
                />
              )}
            />
            <TextInput
              label={t("fields.maxTrials")}
              description={t("tune.maxTrialsHint")}
              inputMode="numeric"
              error={errorOf(errors.maxTrials?.message)}
              {...register("maxTrials")}
            />
            <TextInput
              label={t("tune.maxMinutes")}
              description={t("tune.maxMinutesHint")}
              inputMode="decimal"
              error={errorOf(errors.maxMinutes?.message)}
              {...register("maxMinutes")}
            />
          </div>
          <Accordion multiple value={open} onChange={setOpen} variant="contained" order={2}>
            <Accordion.Item value="columns">
              <Accordion.Control>
                <ColumnsSummary />
              </Accordion.Control>
              <Accordion.Panel>
                <ColumnsField columns={suggestion.columns} />
              </Accordion.Panel>
            </Accordion.Item>
            <Accordion.Item value="space">
              <Accordion.Control>
                <SpaceSummary />
              </Accordion.Control>
              <Accordion.Panel>
                <SpaceField />
              </Accordion.Panel>
            </Accordion.Item>
            <Accordion.Item value="search">
              <Accordion.Control>
                <Text fw={600}>{t("tune.advanced")}</Text>
                <Text size="xs" c="dimmed">
                  {t("tune.advancedHint")}
                </Text>
              </Accordion.Control>
              <Accordion.Panel>
                <div className={classes.row}>
                  <TextInput
                    label={t("tune.name")}
                    description={t("tune.nameHint")}
                    error={errorOf(errors.name?.message)}
                    autoComplete="off"
                    {...register("name")}
                  />
                  <Controller
                    control={control}
                    name="algorithm"
                    render={({ field, fieldState }) => (
                      <Select
                        label={t("fields.algorithm")}
                        description={t("tune.algorithmHint")}
                        data={(algorithms.data ?? [{ name: "tpe" }]).map(({ name }) => ({
                          value: name,
                          label: name === "tpe" || name === "random" ? t(`algorithms.${name}`) : name,
                        }))}
                        allowDeselect={false}
                        error={errorOf(fieldState.error?.message)}
                        {...field}
                      />
                    )}
                  />
                  <TextInput
                    label={t("fields.parallelism")}
                    description={t("tune.parallelismHint")}
                    inputMode="numeric"
                    error={errorOf(errors.parallelism?.message)}
                    {...register("parallelism")}
                  />
                  <TextInput
                    label={t("fields.seed")}
                    description={t("tune.seedHint")}
                    inputMode="numeric"
                    error={errorOf(errors.seed?.message)}
                    {...register("seed")}
                  />
                  <TextInput
                    label={t("tune.validation")}
                    description={t("tune.validationHint")}
                    inputMode="decimal"
                    error={errorOf(errors.validationPercent?.message)}
                    {...register("validationPercent")}
                  />
                  <TextInput
                    label={t("tune.holdout")}
                    description={t("tune.holdoutHint")}
                    inputMode="decimal"
                    error={errorOf(errors.holdoutPercent?.message)}
                    {...register("holdoutPercent")}
                  />
                  {executor.data?.name === "kubernetes" && (
                    <>
                      <TextInput
                        label={t("tune.workerCpu")}
                        description={t("tune.workerHint")}
                        inputMode="decimal"
                        error={errorOf(errors.workerCpu?.message)}
                        {...register("workerCpu")}
                      />
                      <TextInput
                        label={t("tune.workerMemory")}
                        description={t("tune.workerMemoryHint")}
                        inputMode="decimal"
                        error={errorOf(errors.workerMemory?.message)}
                        {...register("workerMemory")}
                      />
                      <TextInput
                        label={t("tune.workerGpu")}
                        description={t("tune.workerHint")}
                        inputMode="numeric"
                        error={errorOf(errors.workerGpu?.message)}
                        {...register("workerGpu")}
                      />
                    </>
                  )}
                </div>
                <Checkbox
                  mt="md"
                  label={t("tune.baseline")}
                  description={t("tune.baselineHint")}
                  {...register("baseline")}
                />
              </Accordion.Panel>
            </Accordion.Item>
          </Accordion>
          {make.error && (
            <ProblemAlert
              error={make.error}
              // At its field a fault is told in the page's words; what the server says stands here.
              brief={i18n.language === "en" && everyFaultShown(make.error, form.getValues())}
            />
          )}
          <Group justify="space-between" className={classes.bar}>
            <Summary target={target} />
            <Button type="submit" size="md" loading={make.isPending}>
              {t("tune.tune")}
            </Button>
          </Group>
        </Stack>
      </form>
    </FormProvider>
  );
}

/** Whether each fault of a refusal stands at a field of the form. */
function everyFaultShown(error: Error, values: TuneForm): boolean {
  const { errors } = toProblem(error);
  return errors.length > 0 && errors.every((item) => fieldOfPointer(item.pointer, values) !== null);
}

function ColumnsSummary() {
  const { t } = useTranslation();
  const format = useFormat();
  const columns = useWatch<TuneForm, "columns">({ name: "columns" });
  const used = columns.filter((column) => column.used).length;
  return (
    <>
      <Text fw={600}>{t("tune.columns")}</Text>
      <Text size="xs" c="dimmed">
        {t("tune.columnsUsed", { used: format.count(used), all: format.count(columns.length) })}
      </Text>
    </>
  );
}

function SpaceSummary() {
  const { t } = useTranslation();
  const format = useFormat();
  const space = useWatch<TuneForm, "space">({ name: "space" });
  const searched = space.filter((parameter) => parameter.searched);
  return (
    <>
      <Text fw={600}>{t("tune.space")}</Text>
      <Text size="xs" c="dimmed">
        {t("tune.spaceSearched", { count: searched.length, value: format.count(searched.length) })}
      </Text>
    </>
  );
}

/** What a press on the button will do, in one line. */
function Summary({ target }: { target: string }) {
  const { t } = useTranslation();
  const [trials, minutes, metric] = useWatch<TuneForm, ["maxTrials", "maxMinutes", "metric"]>({
    name: ["maxTrials", "maxMinutes", "metric"],
  });
  const limits = [
    trials.trim() === "" ? null : t("tune.upToTrials", { value: trials.trim() }),
    minutes.trim() === "" ? null : t("tune.upToMinutes", { value: minutes.trim() }),
  ].filter(Boolean);
  return (
    <Text size="sm" c="dimmed">
      {[t("tune.predicts", { target }), t(`metrics.${metric}`), ...limits].join(" · ")}
    </Text>
  );
}

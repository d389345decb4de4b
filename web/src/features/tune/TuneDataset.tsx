import { type ComboboxItem, Group, Select, Skeleton, Stack, Text } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { suggestion as suggestionQuery } from "@/api/experiments";
import type { Dataset, Task } from "@/api/generated";
import { KindMark } from "@/features/datasets/KindMark";
import { useProblemText } from "@/i18n/problem-text";
import { rank } from "@/ui/rank";
import { Said } from "@/ui/Said";
import type { ColumnForm } from "./form-model";
import { TuneFields } from "./TuneFields";

/** What to predict in a data set; the server then suggests all the rest. */
export function TuneDataset({
  dataset,
  initialTarget,
  onTarget,
}: {
  dataset: Dataset;
  initialTarget: string | undefined;
  onTarget: (target: string | undefined) => void;
}) {
  const { t } = useTranslation();
  const columns = dataset.columns ?? [];
  const [target, setTarget] = useState<string | null>(
    initialTarget && columns.some((column) => column.name === initialTarget) ? initialTarget : null,
  );
  const [task, setTask] = useState<Task | null>(null);
  /** What the person decided about columns; it outlives a change of the task. */
  const decided = useRef<ColumnForm[]>([]);
  const query = useQuery({
    ...suggestionQuery({ dataset_id: dataset.id, target: target ?? "", task }),
    enabled: target !== null,
    placeholderData: keepPreviousData,
  });
  const kinds = new Map(columns.map((column) => [column.name, column.kind]));
  const suggestion = query.isPlaceholderData && query.isFetching ? undefined : query.data;
  return (
    <Stack gap="lg">
      <Select
        label={t("tune.target")}
        description={t("tune.targetHint")}
        placeholder={t("tune.targetPlaceholder")}
        searchable
        maw={420}
        size="md"
        value={target}
        allowDeselect={false}
        nothingFoundMessage={t("tune.nothingFound")}
        maxDropdownHeight={320}
        selectFirstOptionOnChange
        filter={({ options, search }) => rank(options as ComboboxItem[], search)}
        data={columns.map((column) => column.name)}
        renderOption={({ option }) => (
          <Group justify="space-between" w="100%" gap="sm" wrap="nowrap">
            <Text fz="sm" truncate>
              {option.value}
            </Text>
            <Text fz="xs" c="dimmed" component="span">
              <KindMark kind={kinds.get(option.value) ?? "text"} />
            </Text>
          </Group>
        )}
        onChange={(value) => {
          decided.current = [];
          setTask(null);
          setTarget(value);
          onTarget(value ?? undefined);
        }}
        error={target !== null && query.error ? <TargetFault error={query.error} /> : undefined}
        data-autofocus
      />
      {target === null ? null : suggestion && !query.error ? (
        <TuneFields
          key={`${target} ${suggestion.task}`}
          dataset={dataset}
          target={target}
          suggestion={suggestion}
          decided={decided}
          onTask={setTask}
        />
      ) : query.error ? null : (
        <Stack gap="md" aria-busy="true">
          <Skeleton height={60} maw={640} />
          <Skeleton height={60} maw={640} />
          <Skeleton height={44} />
          <Skeleton height={44} />
        </Stack>
      )}
    </Stack>
  );
}

/** Why the target cannot be predicted: the server's sentence names the values, the page's the way on. */
function TargetFault({ error }: { error: Error }) {
  const { i18n } = useTranslation();
  const { message, detail } = useProblemText(error);
  if (i18n.language === "en") return detail ?? message;
  return (
    <>
      {message} {detail && <Said>{detail}</Said>}
    </>
  );
}

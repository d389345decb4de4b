import { Button, Group, Paper, Stack, Text } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { addSample, datasetKeys, sampleList } from "@/api/datasets";
import type { Sample } from "@/api/generated";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { useFormat } from "@/ui/use-format";

/** Real tables that come with MelonKube, each one press away; without those that were taken already. */
export function SampleList({ taken = [] }: { taken?: readonly string[] }) {
  const { data } = useQuery(sampleList());
  const rest = data?.filter((sample) => !taken.includes(sample.name)) ?? [];
  if (rest.length === 0) return null;
  return (
    <Stack gap="xs" mt="sm">
      {rest.map((sample) => (
        <SampleRow key={sample.name} sample={sample} />
      ))}
    </Stack>
  );
}

function SampleRow({ sample }: { sample: Sample }) {
  const { t, i18n } = useTranslation();
  const format = useFormat();
  // The page describes the samples that come with it; of others it shows what the server says.
  const place = `samples.known.${sample.name}`;
  const known = i18n.exists(`${place}.title`);
  const words = t as (key: string) => string;
  const title = known ? words(`${place}.title`) : sample.title;
  const lang = known ? undefined : "en";
  const queries = useQueryClient();
  const navigate = useNavigate();
  const add = useMutation({
    mutationFn: () => addSample(sample.name),
    onSuccess: (dataset) => {
      void queries.invalidateQueries({ queryKey: datasetKeys.all });
      void navigate({ to: "/datasets/$datasetId", params: { datasetId: dataset.id } });
    },
  });
  return (
    <Paper withBorder px="md" py="sm">
      <Group justify="space-between" wrap="nowrap" gap="md">
        <div style={{ minWidth: 0 }}>
          <Text fw={600} lang={lang}>
            {title}
          </Text>
          <Text size="sm" c="dimmed" lang={lang}>
            {known ? words(`${place}.description`) : sample.description}
          </Text>
          <Text size="xs" c="dimmed" mt={2} truncate title={sample.source}>
            {t("samples.facts", {
              count: sample.rows,
              rows: format.count(sample.rows),
              target: sample.target,
              licence: sample.licence,
              source: sample.source,
            })}
          </Text>
        </div>
        <Button
          variant="default"
          loading={add.isPending}
          onClick={() => add.mutate()}
          style={{ flex: "none" }}
          aria-label={t("samples.useNamed", { title })}
        >
          {t("samples.use")}
        </Button>
      </Group>
      {add.error && (
        <div style={{ marginTop: 8 }}>
          <ProblemAlert error={add.error} />
        </div>
      )}
    </Paper>
  );
}

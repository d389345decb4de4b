import { Button, Group, Modal, Select, Skeleton, Stack } from "@mantine/core";
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { endpointKeys, setEndpoint } from "@/api/endpoints";
import type { Endpoint } from "@/api/generated";
import { modelList, modelVersions } from "@/api/models";
import { ProblemAlert } from "@/ui/ProblemAlert";

interface SwitchDialogProps {
  endpoint: Endpoint;
  opened: boolean;
  onClose: () => void;
}

/** Another version, or an alias to follow, behind the same name. */
export function SwitchDialog({ endpoint, opened, onClose }: SwitchDialogProps) {
  const { t } = useTranslation();
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      title={t("endpoints.switchVersion")}
      closeButtonProps={{ "aria-label": t("common.close") }}
    >
      <SwitchForm endpoint={endpoint} onClose={onClose} />
    </Modal>
  );
}

function SwitchForm({ endpoint, onClose }: Omit<SwitchDialogProps, "opened">) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const [model, setModel] = useState(endpoint.target.model);
  /** `v:3` pins version 3, `a:production` follows that alias. */
  const [choice, setChoice] = useState<string | null>(null);
  const models = useInfiniteQuery(modelList());
  const versions = useQuery(modelVersions(model));
  const names = [
    ...new Set([model, ...(models.data?.pages.flatMap((page) => page.items.map((each) => each.name)) ?? [])]),
  ];
  const aliases =
    models.data?.pages.flatMap((page) => page.items).find((each) => each.name === model)?.aliases ?? {};
  const change = useMutation({
    mutationFn: (value: string) =>
      setEndpoint(
        endpoint.name,
        value.startsWith("v:")
          ? { model, version: Number(value.slice(2)) }
          : { model, alias: value.slice(2) },
      ),
    onSuccess: (answer) => {
      queries.setQueryData(endpointKeys.one(endpoint.name), answer);
      void queries.invalidateQueries({ queryKey: endpointKeys.all });
      onClose();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (choice) change.mutate(choice);
  };
  return (
    <form onSubmit={submit}>
      <Stack gap="md">
        <Select
          label={t("fields.model")}
          data={names}
          value={model}
          searchable
          allowDeselect={false}
          nothingFoundMessage={t("tune.nothingFound")}
          onChange={(value) => {
            if (value) setModel(value);
            setChoice(null);
          }}
        />
        {versions.isPending ? (
          <Skeleton height={56} />
        ) : versions.isError ? (
          <ProblemAlert error={versions.error} onRetry={() => void versions.refetch()} />
        ) : (
          <Select
            label={t("endpoints.versionOrAlias")}
            description={t("endpoints.versionOrAliasHint")}
            data={[
              {
                group: t("models.aliases"),
                items: Object.entries(aliases).map(([alias, version]) => ({
                  value: `a:${alias}`,
                  label: t("models.aliasVersion", { alias, version }),
                })),
              },
              {
                group: t("models.versions"),
                items: versions.data.map(({ version }) => ({
                  value: `v:${version}`,
                  label: t("common.versionLong", { version }),
                })),
              },
            ].filter((group) => group.items.length > 0)}
            value={choice}
            onChange={setChoice}
          />
        )}
        {change.error && <ProblemAlert error={change.error} />}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={onClose}>
            {t("common.cancel")}
          </Button>
          <Button type="submit" disabled={!choice} loading={change.isPending}>
            {t("deploy.switch")}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

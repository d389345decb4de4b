import { ActionIcon, Button, Group, Text, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { X } from "lucide-react";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import type { Model } from "@/api/generated";
import { modelKeys, removeAlias, setAlias } from "@/api/models";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { AliasMark } from "./AliasMark";

/** The names that point at a version: set one, move one here, take one away. */
export function Aliases({ model, version }: { model: Model; version: number }) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const [name, setName] = useState("");
  const refresh = () => void queries.invalidateQueries({ queryKey: modelKeys.all });
  const put = useMutation({
    mutationFn: (alias: string) => setAlias(model.name, alias, version),
    onSuccess: () => {
      setName("");
      refresh();
    },
  });
  const remove = useMutation({
    mutationFn: (alias: string) => removeAlias(model.name, alias),
    onSuccess: refresh,
  });
  const aliases = Object.entries(model.aliases ?? {});
  const here = aliases.filter(([, at]) => at === version);
  const elsewhere = aliases.filter(([, at]) => at !== version);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (name.trim() !== "") put.mutate(name.trim());
  };
  const moves = elsewhere.find(([alias]) => alias === name.trim());
  const error = put.error ?? remove.error;
  return (
    <>
      {here.map(([alias]) => (
        <Group key={alias} gap={4} mb={4}>
          <AliasMark alias={alias} />
          <ActionIcon
            size="sm"
            variant="subtle"
            color="gray"
            aria-label={t("models.removeAlias", { alias })}
            loading={remove.isPending && remove.variables === alias}
            onClick={() => remove.mutate(alias)}
          >
            <X size={14} aria-hidden />
          </ActionIcon>
        </Group>
      ))}
      {elsewhere.map(([alias, at]) => (
        <Group key={alias} gap="xs" mb={4}>
          <AliasMark alias={alias} version={at} />
          <Button
            size="compact-xs"
            variant="subtle"
            loading={put.isPending && put.variables === alias}
            onClick={() => put.mutate(alias)}
            aria-label={t("models.moveAlias", { alias, version })}
          >
            {t("models.moveHere")}
          </Button>
        </Group>
      ))}
      <form onSubmit={submit}>
        <Group gap="xs" align="flex-end" mt="xs">
          <TextInput
            size="xs"
            label={t("models.newAlias")}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            autoComplete="off"
            spellCheck={false}
          />
          <Button
            size="xs"
            variant="default"
            type="submit"
            disabled={name.trim() === ""}
            loading={put.isPending}
          >
            {t(moves ? "models.moveHere" : "models.setAlias")}
          </Button>
        </Group>
      </form>
      {aliases.length === 0 && (
        <Text size="xs" c="dimmed" mt={6}>
          {t("models.aliasHint")}
        </Text>
      )}
      {error && (
        <div style={{ marginTop: 8 }}>
          <ProblemAlert error={error} />
        </div>
      )}
    </>
  );
}

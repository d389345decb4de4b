import { Button, Group, Modal, Text, TextInput } from "@mantine/core";
import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { endpointKeys, endpointList, setEndpoint } from "@/api/endpoints";
import type { EndpointPut } from "@/api/generated";
import { modelKeys } from "@/api/models";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { isSlug, suggestSlug } from "./slug";

interface DeployDialogProps {
  opened: boolean;
  onClose: () => void;
  /** Of what the endpoint's name is made. */
  suggestion: string;
  body: EndpointPut;
  /** What will answer. */
  text: string;
}

/** Puts a model behind a name. */
export function DeployDialog(props: DeployDialogProps) {
  const { t } = useTranslation();
  return (
    <Modal
      opened={props.opened}
      onClose={props.onClose}
      title={t("deploy.title")}
      closeButtonProps={{ "aria-label": t("common.close") }}
    >
      <DeployForm {...props} />
    </Modal>
  );
}

function DeployForm({ onClose, suggestion, body, text }: DeployDialogProps) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [name, setName] = useState(() => suggestSlug(suggestion));
  const valid = isSlug(name);
  const existing = useInfiniteQuery(endpointList());
  const deploy = useMutation({
    mutationFn: () => setEndpoint(name, body),
    onSuccess: (endpoint) => {
      queries.setQueryData(endpointKeys.one(name), endpoint);
      void queries.invalidateQueries({ queryKey: endpointKeys.list() });
      void queries.invalidateQueries({ queryKey: modelKeys.all });
      onClose();
      void navigate({ to: "/endpoints/$name", params: { name } });
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (valid && !deploy.isPending) deploy.mutate();
  };
  const switches =
    existing.data?.pages.some((page) => page.items.some((each) => each.name === name)) ?? false;
  return (
    <form onSubmit={submit}>
      <Text size="sm" mb="md">
        {text}
      </Text>
      <TextInput
        label={t("deploy.name")}
        description={t("deploy.nameHint")}
        value={name}
        onChange={(event) => setName(event.currentTarget.value)}
        error={valid ? undefined : t("deploy.nameInvalid")}
        data-autofocus
        autoComplete="off"
        spellCheck={false}
      />
      {switches && (
        <Text size="sm" mt="sm" role="status">
          {t("deploy.switches", { name })}
        </Text>
      )}
      {deploy.error && (
        <div style={{ marginTop: 12 }}>
          <ProblemAlert error={deploy.error} />
        </div>
      )}
      <Group justify="flex-end" gap="xs" mt="lg">
        <Button variant="default" onClick={onClose}>
          {t("common.cancel")}
        </Button>
        <Button type="submit" disabled={!valid} loading={deploy.isPending}>
          {t(switches ? "deploy.switch" : "deploy.deploy")}
        </Button>
      </Group>
    </form>
  );
}

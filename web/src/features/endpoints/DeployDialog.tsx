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
  /** The model's name, of which the endpoint's is made. */
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
  const [typed, setTyped] = useState<string>();
  const list = useInfiniteQuery(endpointList());
  const existing = list.data?.pages.flatMap((page) => page.items) ?? [];
  // An endpoint of the same model is offered its next version; one of another model is not taken over unasked.
  const others = existing.filter((each) => (each.model ?? each.target.model) !== suggestion);
  const name = typed ?? suggestSlug(suggestion, new Set(others.map((each) => each.name)));
  const valid = isSlug(name);
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
  const switches = existing.some((each) => each.name === name);
  return (
    <form onSubmit={submit}>
      <Text size="sm" mb="md">
        {text}
      </Text>
      <TextInput
        label={t("deploy.name")}
        description={t("deploy.nameHint")}
        value={name}
        onChange={(event) => setTyped(event.currentTarget.value)}
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

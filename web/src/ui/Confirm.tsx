import { Button, Group, Modal, Text } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { ProblemAlert } from "./ProblemAlert";

interface ConfirmProps {
  opened: boolean;
  onClose: () => void;
  title: string;
  /** What will happen, and whether it can be undone. */
  text: string;
  action: string;
  danger?: boolean;
  run: () => Promise<unknown>;
  onDone?: () => void;
}

/** Asks before what cannot be undone, and shows why it failed where it does. */
export function Confirm({ opened, onClose, title, text, action, danger = false, run, onDone }: ConfirmProps) {
  const { t } = useTranslation();
  const mutation = useMutation({
    mutationFn: run,
    onSuccess: () => {
      onClose();
      onDone?.();
    },
  });
  const close = () => {
    mutation.reset();
    onClose();
  };
  return (
    <Modal
      opened={opened}
      onClose={close}
      title={title}
      closeButtonProps={{ "aria-label": t("common.close") }}
    >
      <Text size="sm">{text}</Text>
      {mutation.error && (
        <div style={{ marginTop: 12 }}>
          <ProblemAlert error={mutation.error} />
        </div>
      )}
      <Group justify="flex-end" gap="xs" mt="lg">
        <Button variant="default" onClick={close} data-autofocus>
          {t("common.cancel")}
        </Button>
        <Button
          color={danger ? "red" : undefined}
          loading={mutation.isPending}
          onClick={() => mutation.mutate()}
        >
          {action}
        </Button>
      </Group>
    </Modal>
  );
}

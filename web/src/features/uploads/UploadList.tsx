import { Button, CloseButton, Group, Paper, Progress, Stack, Text } from "@mantine/core";
import { useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";
import { AnchorLink } from "@/ui/links";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { useFormat } from "@/ui/use-format";
import { type Upload, uploads } from "./store";

/** The uploads of this page: how far each is, a way to end it, and what went wrong. */
export function UploadList({ onRetry }: { onRetry: (key: number) => void }) {
  const all = useSyncExternalStore(uploads.subscribe, uploads.snapshot);
  if (all.length === 0) return null;
  return (
    <Stack gap="xs" mt="sm">
      {all.map((upload) => (
        <UploadRow key={upload.key} upload={upload} onRetry={onRetry} />
      ))}
    </Stack>
  );
}

function UploadRow({ upload, onRetry }: { upload: Upload; onRetry: (key: number) => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  if (upload.phase === "failed") {
    return (
      <ProblemAlert error={upload.problem} title={t("uploads.failed", { file: upload.fileName })}>
        {upload.problem?.transient && (
          <Button size="xs" variant="default" onClick={() => onRetry(upload.key)}>
            {t("common.retry")}
          </Button>
        )}
        <Button size="xs" variant="default" onClick={() => uploads.dismiss(upload.key)}>
          {t("common.dismiss")}
        </Button>
      </ProblemAlert>
    );
  }
  const share = upload.size === 0 ? 1 : upload.sent / upload.size;
  const status =
    upload.phase === "done"
      ? t("uploads.done")
      : upload.phase === "reading"
        ? t("uploads.reading")
        : t("uploads.sending", { sent: format.bytes(upload.sent), size: format.bytes(upload.size) });
  return (
    <Paper withBorder px="md" py="sm" data-upload={upload.phase}>
      <Group justify="space-between" wrap="nowrap" gap="md">
        <Text fw={550} truncate>
          {upload.dataset ? (
            <AnchorLink to="/datasets/$datasetId" params={{ datasetId: upload.dataset.id }}>
              {upload.fileName}
            </AnchorLink>
          ) : (
            upload.fileName
          )}
        </Text>
        <Group gap="sm" wrap="nowrap">
          <Text size="sm" c="dimmed" className="tabular" role="status">
            {status}
          </Text>
          {upload.phase === "done" ? (
            <CloseButton
              size="sm"
              aria-label={t("uploads.dismissFile", { file: upload.fileName })}
              onClick={() => uploads.dismiss(upload.key)}
            />
          ) : (
            <Button
              size="xs"
              variant="default"
              onClick={() => uploads.cancel(upload.key)}
              aria-label={t("uploads.cancelFile", { file: upload.fileName })}
            >
              {t("common.cancel")}
            </Button>
          )}
        </Group>
      </Group>
      {upload.phase !== "done" && (
        <Progress
          mt={8}
          size="sm"
          value={share * 100}
          striped={upload.phase === "reading"}
          animated={upload.phase === "reading"}
          aria-label={t("uploads.progress", { file: upload.fileName })}
        />
      )}
    </Paper>
  );
}

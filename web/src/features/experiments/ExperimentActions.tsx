import { Button, Menu, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { CircleStop, Download, EllipsisVertical, Pause, Play, Rocket, Trash2 } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { experimentKeys, isFinal, pause, removeExperiment, resume, stop } from "@/api/experiments";
import type { Experiment } from "@/api/generated";
import { modelDownloadUrl, modelKeys, registerVersion } from "@/api/models";
import { DeployDialog } from "@/features/endpoints/DeployDialog";
import { useProblemText } from "@/i18n/problem-text";
import { Confirm } from "@/ui/Confirm";
import { startDownload } from "@/ui/download";
import { Said } from "@/ui/Said";

/** What can be done with an experiment as it stands. */
export function ExperimentActions({ experiment }: { experiment: Experiment }) {
  const { t, i18n } = useTranslation();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [dialog, setDialog] = useState<"stop" | "delete" | "deploy" | null>(null);
  const close = () => setDialog(null);
  const { id, state } = experiment;
  const ended = isFinal(experiment);

  const toggle = useMutation({
    mutationFn: () => (state === "paused" ? resume(id) : pause(id)),
    onSuccess: (answer) => queries.setQueryData(experimentKeys.one(id), answer),
  });
  const download = useMutation({
    mutationFn: (runId: string) => registerVersion(experiment.name, runId),
    onSuccess: (version) => {
      void queries.invalidateQueries({ queryKey: modelKeys.all });
      startDownload(modelDownloadUrl(version.model, version.version));
    },
  });
  const save = () => {
    if (experiment.best) download.mutate(experiment.best.run_id);
  };
  const failed = useProblemText(toggle.error ?? download.error);

  return (
    <>
      {!ended && (
        <>
          <Button
            variant="default"
            leftSection={
              state === "paused" ? <Play size={15} aria-hidden /> : <Pause size={15} aria-hidden />
            }
            loading={toggle.isPending}
            onClick={() => toggle.mutate()}
          >
            {t(state === "paused" ? "actions.resume" : "actions.pause")}
          </Button>
          <Button
            variant="default"
            leftSection={<CircleStop size={15} aria-hidden />}
            onClick={() => setDialog("stop")}
          >
            {t("actions.stop")}
          </Button>
        </>
      )}
      {ended && experiment.best && (
        <Button
          variant="default"
          leftSection={<Download size={15} aria-hidden />}
          loading={download.isPending}
          onClick={save}
        >
          {t("actions.downloadModel")}
        </Button>
      )}
      <Menu position="bottom-end">
        <Menu.Target>
          <Button variant="default" px={8} aria-label={t("common.moreActions")} loading={download.isPending}>
            <EllipsisVertical size={16} aria-hidden />
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {!ended && (
            <Menu.Item
              leftSection={<Download size={14} aria-hidden />}
              disabled={!experiment.best}
              onClick={save}
            >
              {t("actions.downloadModel")}
            </Menu.Item>
          )}
          <Menu.Item
            c="var(--mantine-color-error)"
            leftSection={<Trash2 size={14} aria-hidden />}
            onClick={() => setDialog("delete")}
          >
            {t("common.delete")}
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <Button
        leftSection={<Rocket size={15} aria-hidden />}
        disabled={!experiment.best}
        onClick={() => setDialog("deploy")}
      >
        {t("actions.deploy")}
      </Button>
      {(toggle.error ?? download.error) && (
        <span role="alert" style={{ flexBasis: "100%", color: "var(--mantine-color-error)" }}>
          {i18n.language === "en" ? (failed.detail ?? failed.message) : failed.message}{" "}
          {i18n.language !== "en" && failed.detail && <Said>{failed.detail}</Said>}
        </span>
      )}
      {download.data && (
        <Text role="status" size="sm" c="dimmed" style={{ flexBasis: "100%" }}>
          {t("actions.registered", { model: download.data.model, version: download.data.version })}
        </Text>
      )}
      <Confirm
        opened={dialog === "stop"}
        onClose={close}
        title={t("actions.stopTitle")}
        text={t("actions.stopText")}
        action={t("actions.stop")}
        run={() => stop(id)}
        onDone={() => void queries.invalidateQueries({ queryKey: experimentKeys.one(id), exact: true })}
      />
      <Confirm
        opened={dialog === "delete"}
        onClose={close}
        title={t("actions.deleteTitle")}
        text={t("actions.deleteText", { name: experiment.name })}
        action={t("common.delete")}
        danger
        run={() => removeExperiment(id)}
        onDone={() => {
          queries.removeQueries({ queryKey: experimentKeys.one(id) });
          void queries.invalidateQueries({ queryKey: experimentKeys.list() });
          void navigate({ to: "/experiments" });
        }}
      />
      <DeployDialog
        opened={dialog === "deploy"}
        onClose={close}
        suggestion={experiment.name}
        body={{ experiment_id: id }}
        text={t("deploy.winner", { name: experiment.name })}
      />
    </>
  );
}

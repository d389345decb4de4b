import { Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import type { ExecutorInfo, NodeInfo } from "@/api/generated";
import { executorInfo } from "@/api/system";
import { Said } from "@/ui/Said";
import { useFormat } from "@/ui/use-format";
import classes from "./Workers.module.css";

const gib = (bytes: number) => Math.round((bytes / 2 ** 30) * 10) / 10;

/** Where workers run and how many are at work; on a cluster, its nodes and what they have left. */
export function Workers() {
  const { t } = useTranslation();
  const format = useFormat();
  const { data } = useQuery(executorInfo());
  if (!data) return null;
  const name = data.name === "local" || data.name === "kubernetes" ? t(`executor.${data.name}`) : data.name;
  return (
    <div className={classes.workers}>
      <Text size="sm">
        {t("executor.workers")}{" "}
        <Text span c="dimmed" size="sm">
          {[
            name,
            data.slots == null
              ? t("executor.busy", { busy: format.count(data.busy) })
              : t("executor.busyOf", { busy: format.count(data.busy), slots: format.count(data.slots) }),
          ].join(" · ")}
        </Text>
      </Text>
      {data.namespace && (
        <Text size="xs" c="dimmed" className={classes.long}>
          {t("executor.namespace", { name: data.namespace })}
        </Text>
      )}
      {data.problem && (
        <Text size="xs" className={classes.problem} mt={4}>
          <Text span inherit fw={550}>
            {t("executor.problem")}
          </Text>{" "}
          <Said>{data.problem}</Said>
        </Text>
      )}
      <NodeList executor={data} />
    </div>
  );
}

function NodeList({ executor }: { executor: ExecutorInfo }) {
  const { t } = useTranslation();
  if (executor.nodes == null) {
    return executor.namespace ? (
      <Text size="xs" c="dimmed" mt={4}>
        {t("executor.hidden")}
      </Text>
    ) : null;
  }
  if (executor.nodes.length === 0) {
    return (
      <Text size="xs" c="dimmed" mt={4}>
        {t("executor.noNodes")}
      </Text>
    );
  }
  return <NodeTable nodes={executor.nodes} />;
}

function NodeTable({ nodes }: { nodes: readonly NodeInfo[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const gpus = nodes.some((node) => (node.gpu ?? 0) > 0);
  const of = (left: string, all: string) => t("executor.of", { left, all });
  return (
    // It scrolls downwards where there are many nodes; the keyboard must be able to do that too.
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a part that scrolls has to be reachable
    <section className={classes.frame} tabIndex={0} aria-label={t("executor.nodes")}>
      <table className={classes.table} aria-label={t("executor.nodes")}>
        <thead>
          <tr>
            <th scope="col">{t("executor.node")}</th>
            <th scope="col" className="num">
              {t("executor.workers")}
            </th>
            <th scope="col" className="num">
              {t("executor.cpuLeft")}
            </th>
            <th scope="col" className="num">
              {t("executor.memoryLeft")}
            </th>
            {gpus && (
              <th scope="col" className="num">
                {t("executor.gpuLeft")}
              </th>
            )}
          </tr>
        </thead>
        <tbody>
          {nodes.map((node) => (
            <tr key={node.name}>
              <th scope="row" className={classes.name}>
                {node.name}
                {!(node.ready && node.schedulable) && (
                  <span className={classes.state}>
                    {t(node.ready ? "executor.cordoned" : "executor.notReady")}
                  </span>
                )}
              </th>
              <td className="num">{format.count(node.workers ?? 0)}</td>
              <td className="num">{of(format.number(node.free_cpu), format.number(node.cpu))}</td>
              <td className="num">
                {of(format.number(gib(node.free_memory_bytes)), format.number(gib(node.memory_bytes)))}
              </td>
              {gpus && (
                <td className="num">{of(format.count(node.free_gpu ?? 0), format.count(node.gpu ?? 0))}</td>
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

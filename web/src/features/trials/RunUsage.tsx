import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { runMetrics } from "@/api/runs";
import { Facts } from "@/ui/Facts";
import { NONE } from "@/ui/format";
import { Section } from "@/ui/Section";
import { useFormat } from "@/ui/use-format";
import { usageOf } from "./usage";

/** What an attempt's training used of its machine; nothing where that was not measured. */
export function RunUsage({ runId, live }: { runId: string; live: boolean }) {
  const { t } = useTranslation();
  const format = useFormat();
  const { data } = useQuery(runMetrics(runId, live));
  const usage = data && usageOf(data);
  if (!usage) return null;
  return (
    <Section title={t("trials.usage")}>
      <Facts
        items={[
          [
            t("trials.cores"),
            usage.cores === undefined ? NONE : format.number(Number(usage.cores.toPrecision(2))),
          ],
          [t("trials.memory"), usage.memoryBytes === undefined ? NONE : format.memory(usage.memoryBytes)],
        ]}
      />
    </Section>
  );
}

import { Button, Group, Text } from "@mantine/core";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { useProblemText } from "@/i18n/problem-text";
import { Fault } from "./Fault";
import { Notice } from "./Notice";
import { Said } from "./Said";

interface ProblemAlertProps {
  error: unknown;
  /** What could not be done. */
  title?: string | undefined;
  /** The faults stand at their fields already: only what to do is said. */
  brief?: boolean;
  /** Tries again. */
  onRetry?: (() => void) | undefined;
  /** Other ways on. */
  children?: ReactNode;
}

/** A failure: what happened, what to do, and a way on. */
export function ProblemAlert({ error, title, brief = false, onRetry, children }: ProblemAlertProps) {
  const { t } = useTranslation();
  const text = useProblemText(error);
  return (
    <Notice tone="problem" title={title ?? text.message}>
      {title && <div>{text.message}</div>}
      {!brief && text.detail && (
        <Text size="sm" c="dimmed" mt={2} component="div">
          <Said>{text.detail}</Said>
        </Text>
      )}
      {!brief && text.items.length > 0 && (
        <ul style={{ margin: 0, paddingLeft: "1.125rem" }}>
          {text.items.map((item) => (
            <li key={item.pointer + item.detail}>
              <Fault item={item} />
            </li>
          ))}
        </ul>
      )}
      {text.requestId && (
        <Text size="xs" c="dimmed" mt={4}>
          {t("common.requestId", { id: text.requestId })}
        </Text>
      )}
      {(onRetry || children) && (
        <Group gap="xs" mt="sm">
          {onRetry && (
            <Button size="xs" variant="default" onClick={onRetry}>
              {t("common.retry")}
            </Button>
          )}
          {children}
        </Group>
      )}
    </Notice>
  );
}

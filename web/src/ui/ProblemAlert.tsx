import { Alert, Button, Group, List, Text } from "@mantine/core";
import { TriangleAlert } from "lucide-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { useProblemText } from "@/i18n/problem-text";

interface ProblemAlertProps {
  error: unknown;
  /** What could not be done. */
  title?: string | undefined;
  /** Tries again. */
  onRetry?: (() => void) | undefined;
  /** Other ways on. */
  children?: ReactNode;
}

/** A failure: what happened, what to do, and a way on. */
export function ProblemAlert({ error, title, onRetry, children }: ProblemAlertProps) {
  const { t } = useTranslation();
  const text = useProblemText(error);
  return (
    <Alert
      role="alert"
      color="red"
      variant="light"
      icon={<TriangleAlert size={18} aria-hidden />}
      title={title ?? text.message}
      classNames={{ title: "problem-title" }}
    >
      {title && <Text size="sm">{text.message}</Text>}
      {text.detail && (
        <Text size="sm" mt={title ? 4 : 0}>
          {text.detail}
        </Text>
      )}
      {text.items.length > 0 && (
        <List size="sm" mt={4}>
          {text.items.map((item) => (
            <List.Item key={item}>{item}</List.Item>
          ))}
        </List>
      )}
      {text.requestId && (
        <Text size="xs" c="dimmed" mt={6}>
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
    </Alert>
  );
}

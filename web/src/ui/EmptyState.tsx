import { Group, Paper, Text } from "@mantine/core";
import type { ReactNode } from "react";

/** What a list shows while it is empty: why, and what to do next. */
export function EmptyState({ title, hint, children }: { title: string; hint: string; children?: ReactNode }) {
  return (
    <Paper withBorder p="lg" bg="var(--melon-panel)">
      <Text fw={600}>{title}</Text>
      <Text c="dimmed" size="sm" maw="40rem" mt={4}>
        {hint}
      </Text>
      {children && (
        <Group mt="md" gap="xs">
          {children}
        </Group>
      )}
    </Paper>
  );
}

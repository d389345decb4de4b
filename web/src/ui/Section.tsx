import { Box, Group, Title } from "@mantine/core";
import { type ReactNode, useId } from "react";

/** A part of a page under a heading of its own. */
export function Section({
  title,
  aside,
  children,
}: {
  title: string;
  aside?: ReactNode;
  children: ReactNode;
}) {
  const id = useId();
  return (
    <Box component="section" aria-labelledby={id} mb="xl">
      <Group justify="space-between" mb="xs" gap="sm">
        <Title order={2} id={id}>
          {title}
        </Title>
        {aside}
      </Group>
      {children}
    </Box>
  );
}

import { Box, Group, Text, Title } from "@mantine/core";
import { type ReactNode, useEffect, useRef } from "react";
import classes from "./Page.module.css";

interface PageProps {
  title: string;
  /** What the browser's tab shows; the title, unless said. */
  documentTitle?: string;
  /** Beside the title: a state, a version. */
  badge?: ReactNode;
  /** One line under the title. */
  subtitle?: ReactNode;
  /** The page's actions; the primary one last. */
  actions?: ReactNode;
  children: ReactNode;
}

let firstPage = true;

/** A page: its title, which takes the focus when one comes from another page, its actions, its content. */
export function Page({ title, documentTitle, badge, subtitle, actions, children }: PageProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${documentTitle ?? title} · MelonKube`;
  }, [documentTitle, title]);
  useEffect(() => {
    if (firstPage) firstPage = false;
    else heading.current?.focus({ preventScroll: true });
  }, []);
  return (
    <Box className={classes.page}>
      <Group justify="space-between" align="flex-start" wrap="wrap" gap="sm" mb="lg">
        <Box style={{ minWidth: 0, flex: "1 1 20rem" }}>
          <Group gap="sm" align="center">
            <Title order={1} ref={heading} tabIndex={-1}>
              {title}
            </Title>
            {badge}
          </Group>
          {subtitle && (
            <Text component="div" size="sm" c="dimmed" mt={4} className={classes.subtitle}>
              {subtitle}
            </Text>
          )}
        </Box>
        {actions && <Group gap="xs">{actions}</Group>}
      </Group>
      {children}
    </Box>
  );
}

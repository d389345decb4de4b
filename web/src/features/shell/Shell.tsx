import { AppShell, Burger, Group, ScrollArea, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { Link, Outlet, useLocation } from "@tanstack/react-router";
import { ChartScatter, House, type LucideIcon, Package, Radio, Table2 } from "lucide-react";
import { useEffect } from "react";
import { useTranslation } from "react-i18next";
import { Logo } from "./Logo";
import { Preferences } from "./Preferences";
import classes from "./Shell.module.css";
import { SystemDot } from "./SystemDot";

const PLACES = [
  { to: "/", key: "nav.home", icon: House },
  { to: "/datasets", key: "nav.datasets", icon: Table2 },
  { to: "/experiments", key: "nav.experiments", icon: ChartScatter },
  { to: "/models", key: "nav.models", icon: Package },
  { to: "/endpoints", key: "nav.endpoints", icon: Radio },
] as const satisfies readonly { to: string; key: string; icon: LucideIcon }[];

/** What stands around every page: the way to the others, the state of the system, language and colours. */
export function Shell() {
  const { t } = useTranslation();
  const [opened, { toggle, close }] = useDisclosure();
  const path = useLocation({ select: (location) => location.pathname });
  // biome-ignore lint/correctness/useExhaustiveDependencies: the menu closes whenever the page changes
  useEffect(close, [path]);
  return (
    <AppShell
      navbar={{ width: 216, breakpoint: "sm", collapsed: { mobile: !opened } }}
      header={{ height: { base: 48, sm: 0 } }}
      padding={0}
    >
      <a href="#content" className={classes.skip}>
        {t("nav.skip")}
      </a>
      <AppShell.Header hiddenFrom="sm" className={classes.header}>
        <Group h="100%" px="md" justify="space-between">
          <Brand />
          <Burger
            opened={opened}
            onClick={toggle}
            size="sm"
            aria-label={t("nav.menu")}
            aria-expanded={opened}
          />
        </Group>
      </AppShell.Header>
      <AppShell.Navbar className={classes.navbar} aria-label={t("nav.main")}>
        <AppShell.Section visibleFrom="sm" px="md" py="md">
          <Brand />
        </AppShell.Section>
        <AppShell.Section grow component={ScrollArea} px="xs" pt={{ base: "sm", sm: 0 }}>
          {PLACES.map(({ to, key, icon: Icon }) => (
            <Link
              key={to}
              to={to}
              className={classes.place}
              activeProps={{ "data-active": true }}
              activeOptions={{ exact: to === "/", includeSearch: false }}
            >
              <Icon size={16} aria-hidden />
              {t(key)}
            </Link>
          ))}
        </AppShell.Section>
        <AppShell.Section p="xs" className={classes.foot}>
          <SystemDot />
          <Preferences />
        </AppShell.Section>
      </AppShell.Navbar>
      <AppShell.Main id="content" className={classes.main}>
        <Outlet />
      </AppShell.Main>
    </AppShell>
  );
}

function Brand() {
  const { t } = useTranslation();
  return (
    <Link to="/" className={classes.brand}>
      <Logo />
      <Text component="span" fw={650} fz="md">
        {t("app.name")}
      </Text>
    </Link>
  );
}

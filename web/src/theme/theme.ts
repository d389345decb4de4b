import {
  Anchor,
  Badge,
  Button,
  type CSSVariablesResolver,
  createTheme,
  Drawer,
  type MantineColorsTuple,
  Menu,
  Modal,
  Table,
  Tabs,
  Tooltip,
} from "@mantine/core";

const melon: MantineColorsTuple = [
  "#eef8f2",
  "#d9efe3",
  "#b3dfc7",
  "#85cba6",
  "#56b584",
  "#2f9e68",
  "#1f8a56",
  "#187347",
  "#125c39",
  "#0c4429",
];

const red: MantineColorsTuple = [
  "#fff2f1",
  "#fde2df",
  "#f9c2bd",
  "#f39a93",
  "#ea7069",
  "#dd4c46",
  "#cd322e",
  "#b42623",
  "#951d1b",
  "#751514",
];

const dark: MantineColorsTuple = [
  "#d8dadd",
  "#b9bdc2",
  "#9aa0a7",
  "#7b8189",
  "#44494f",
  "#34383d",
  "#282b2f",
  "#1a1c1f",
  "#141618",
  "#0e0f11",
];

const dialogTitle = { fontSize: "1.0625rem", fontWeight: 600 };

export const theme = createTheme({
  primaryColor: "melon",
  primaryShade: 7,
  colors: { melon, red, dark },
  fontFamily: '"Pretendard Variable", Pretendard, "Noto Sans KR", "Noto Sans CJK KR", system-ui, sans-serif',
  fontFamilyMonospace: 'ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace',
  fontSizes: { xs: "0.75rem", sm: "0.8125rem", md: "0.875rem", lg: "1rem", xl: "1.125rem" },
  lineHeights: { xs: "1.35", sm: "1.4", md: "1.5", lg: "1.5", xl: "1.5" },
  defaultRadius: "sm",
  headings: {
    fontWeight: "600",
    sizes: {
      h1: { fontSize: "1.375rem", lineHeight: "1.3" },
      h2: { fontSize: "1rem", lineHeight: "1.4" },
      h3: { fontSize: "0.875rem", lineHeight: "1.4" },
    },
  },
  cursorType: "pointer",
  respectReducedMotion: true,
  components: {
    Anchor: Anchor.extend({ defaultProps: { underline: "hover" } }),
    Badge: Badge.extend({ defaultProps: { tt: "none", fw: 500 } }),
    Button: Button.extend({
      defaultProps: { size: "sm" },
      styles: { label: { fontWeight: 550 } },
      vars: (_, { size }) => ({
        root: size === "sm" ? { "--button-height": "2rem", "--button-padding-x": "0.875rem" } : {},
      }),
    }),
    Drawer: Drawer.extend({
      defaultProps: { transitionProps: { duration: 120 } },
      styles: { title: dialogTitle },
    }),
    Menu: Menu.extend({ defaultProps: { withinPortal: false, withInitialFocusPlaceholder: false } }),
    Modal: Modal.extend({
      defaultProps: { transitionProps: { duration: 120 }, centered: true },
      styles: { title: dialogTitle },
    }),
    Table: Table.extend({
      defaultProps: {
        verticalSpacing: 7,
        horizontalSpacing: "sm",
        fz: "sm",
        borderColor: "var(--melon-line)",
      },
    }),
    Tabs: Tabs.extend({ styles: { root: { "--tab-border-color": "var(--melon-line)" } } }),
    Tooltip: Tooltip.extend({
      defaultProps: { openDelay: 250, events: { hover: true, focus: true, touch: true } },
    }),
  },
});

/** Mantine's defaults for dimmed, placeholder and error text fail contrast AA; these pass on every surface used. */
export const resolver: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    "--mantine-color-text": "#1c1f22",
    "--mantine-color-dimmed": "#5a6168",
    "--mantine-color-placeholder": "#696f76",
    "--mantine-color-error": "#b42623",
    "--mantine-color-anchor": "#166a42",
    "--mantine-color-default-border": "#d9dcdf",
    "--melon-page": "#ffffff",
    "--melon-panel": "#f8f9fa",
    "--melon-line": "#e6e8ea",
    "--melon-accent-text": "#166a42",
    "--melon-accent-soft": "#e7f4ed",
    "--melon-blue": "#1769aa",
    "--melon-amber": "#96590a",
    "--melon-red": "#b42623",
    "--melon-green": "#187347",
    "--melon-grey": "#5a6168",
    "--melon-series-1": "#0072b2",
    "--melon-series-2": "#d55e00",
    "--melon-series-3": "#009e73",
    "--melon-series-4": "#cc79a7",
    "--melon-bar": "#8d99a6",
  },
  dark: {
    "--mantine-color-text": "#dfe1e4",
    "--mantine-color-dimmed": "#a3a9b0",
    "--mantine-color-placeholder": "#959ba2",
    "--mantine-color-error": "#f39a93",
    "--mantine-color-anchor": "#6cc598",
    "--mantine-color-default-border": "#3d4248",
    "--melon-page": "#1a1c1f",
    "--melon-panel": "#212327",
    "--melon-line": "#303439",
    "--melon-accent-text": "#6cc598",
    "--melon-accent-soft": "#1d3529",
    "--melon-blue": "#6cb2e8",
    "--melon-amber": "#e0a44a",
    "--melon-red": "#f39a93",
    "--melon-green": "#6cc598",
    "--melon-grey": "#a3a9b0",
    "--melon-series-1": "#56b4e9",
    "--melon-series-2": "#e69f00",
    "--melon-series-3": "#2fbf95",
    "--melon-series-4": "#cc79a7",
    "--melon-bar": "#6f7a86",
  },
});

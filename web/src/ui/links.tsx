import { Anchor, type AnchorProps, Button, type ButtonProps } from "@mantine/core";
import { createLink } from "@tanstack/react-router";
import type { AnchorHTMLAttributes, Ref } from "react";

type Native = Omit<AnchorHTMLAttributes<HTMLAnchorElement>, keyof AnchorProps> & {
  ref?: Ref<HTMLAnchorElement>;
};

/** A link to a place of this page, its address checked against the routes. */
export const AnchorLink = createLink((props: Omit<AnchorProps, "component"> & Native) => (
  <Anchor {...props} />
));

type NativeButton = Omit<AnchorHTMLAttributes<HTMLAnchorElement>, keyof ButtonProps> & {
  ref?: Ref<HTMLAnchorElement>;
};

/** The same, looking like a button. */
export const ButtonLink = createLink((props: Omit<ButtonProps, "component"> & NativeButton) => (
  <Button component="a" {...props} />
));

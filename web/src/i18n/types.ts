import "i18next";
import type en from "./en/index";

declare module "i18next" {
  interface CustomTypeOptions {
    defaultNS: "translation";
    resources: { translation: typeof en };
    returnNull: false;
  }
}

/**
 * The texts that another language must have: the same keys as English, each a text. Korean has one form for
 * every number, so a key of English's singular is not asked for.
 */
export type Texts<T> = T extends string
  ? string
  : { [K in keyof T as K extends `${string}_one` ? never : K]: Texts<T[K]> };

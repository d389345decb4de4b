import { useTranslation } from "react-i18next";

const REASONS = ["constant", "all_missing", "unique_text", "sequence", "free_text", "chosen"] as const;

/** Why a column was given its role, in words; null for a code this page does not know. */
export function useRoleReason(): (reason: string | null | undefined) => string | null {
  const { t } = useTranslation();
  return (reason) => {
    const known = REASONS.find((each) => each === reason);
    return known ? t(`reasons.${known}`) : null;
  };
}

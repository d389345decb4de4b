import { ActionIcon, Tooltip } from "@mantine/core";
import { useClipboard } from "@mantine/hooks";
import { Check, Copy } from "lucide-react";
import { useTranslation } from "react-i18next";

/** Copies a text, and says so. */
export function CopyButton({ value, label }: { value: string; label: string }) {
  const { t } = useTranslation();
  const clipboard = useClipboard({ timeout: 2000 });
  return (
    <>
      <Tooltip label={clipboard.copied ? t("common.copied") : label}>
        <ActionIcon
          variant="subtle"
          color="gray"
          size="sm"
          aria-label={label}
          onClick={() => clipboard.copy(value)}
        >
          {clipboard.copied ? <Check size={14} aria-hidden /> : <Copy size={14} aria-hidden />}
        </ActionIcon>
      </Tooltip>
      <span className="sr-only" role="status">
        {clipboard.copied ? t("common.copied") : ""}
      </span>
    </>
  );
}

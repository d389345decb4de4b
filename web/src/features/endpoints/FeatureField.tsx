import { Autocomplete, Select, TextInput } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { Column, ProblemItem } from "@/api/generated";
import { Fault } from "@/ui/Fault";
import { useFormat } from "@/ui/use-format";

interface FeatureFieldProps {
  column: Column;
  value: string;
  error: ProblemItem | undefined;
  onChange: (value: string) => void;
}

/** The field of one feature, by its kind; an empty one is a missing value. */
export function FeatureField({ column, value, error, onChange }: FeatureFieldProps) {
  const { t } = useTranslation();
  const format = useFormat();
  const end = (of: number | string) => (typeof of === "number" ? format.number(of) : format.day(of));
  const description = column.range
    ? t("predict.range", { low: end(column.range.min), high: end(column.range.max) })
    : column.categories
      ? t("predict.categories", {
          count: column.categories.length,
          value: format.count(column.categories.length),
        })
      : t(`kinds.${column.kind}`);
  const common = {
    label: column.name,
    description,
    placeholder: t("predict.missing"),
    error: error && (
      <Fault
        item={error}
        words={error.code === "wrong_type" ? t(`predict.wrong.${column.kind}`) : undefined}
        placed
      />
    ),
  };
  if (column.kind === "boolean") {
    return (
      <Select
        {...common}
        clearable
        data={[
          { value: "true", label: t("predict.true") },
          { value: "false", label: t("predict.false") },
        ]}
        value={value === "" ? null : value}
        onChange={(next) => onChange(next ?? "")}
      />
    );
  }
  if (column.categories) {
    return (
      <Autocomplete
        {...common}
        data={column.categories}
        value={value}
        onChange={onChange}
        limit={200}
        maxDropdownHeight={280}
        spellCheck={false}
        filter={
          // Once a whole category stands in the field, the list offers the others again.
          column.categories.includes(value) ? ({ options }) => options : undefined
        }
      />
    );
  }
  return (
    <TextInput
      {...common}
      value={value}
      onChange={(event) => onChange(event.currentTarget.value)}
      inputMode={column.kind === "numeric" ? "decimal" : undefined}
      autoComplete="off"
      spellCheck={false}
    />
  );
}

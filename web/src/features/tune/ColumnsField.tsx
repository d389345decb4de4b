import { Checkbox, Select, Text } from "@mantine/core";
import { Controller, useFormContext, useFormState } from "react-hook-form";
import { useTranslation } from "react-i18next";
import type { Column } from "@/api/generated";
import { useRoleReason } from "@/features/datasets/role-reason";
import { KINDS_OF, type TuneForm } from "./form-model";
import classes from "./Tune.module.css";
import { useFieldError } from "./TuneFields";

/** Which columns the model may use, and what each of them means. */
export function ColumnsField({ columns }: { columns: Column[] }) {
  const { t } = useTranslation();
  const reasonOf = useRoleReason();
  const errorOf = useFieldError();
  const { control, getValues } = useFormContext<TuneForm>();
  const { errors } = useFormState<TuneForm>({ control });
  const inferred = new Map(columns.map((column) => [column.name, column]));
  const whole = errors.columns?.root?.message ?? errors.columns?.message;
  return (
    <>
      {whole && (
        <Text c="var(--mantine-color-error)" size="sm" role="alert" mb="xs">
          {errorOf(whole)}
        </Text>
      )}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard */}
      <div className={classes.scroll} tabIndex={0} role="group" aria-label={t("tune.columns")}>
        <table className={classes.table}>
          <thead>
            <tr>
              <th scope="col">{t("tune.use")}</th>
              <th scope="col">{t("fields.kind")}</th>
              <th scope="col">{t("fields.reason")}</th>
            </tr>
          </thead>
          <tbody>
            {getValues("columns").map(({ name }, index) => {
              const column = inferred.get(name);
              return (
                <tr key={name}>
                  <td>
                    <Controller
                      control={control}
                      name={`columns.${index}.used`}
                      render={({ field: { value, onChange, ...field }, fieldState }) => (
                        <Checkbox
                          pt={7}
                          label={name}
                          checked={value}
                          onChange={(event) => onChange(event.currentTarget.checked)}
                          error={errorOf(fieldState.error?.message)}
                          {...field}
                        />
                      )}
                    />
                  </td>
                  <td>
                    <Controller
                      control={control}
                      name={`columns.${index}.kind`}
                      render={({ field, fieldState }) => (
                        <Select
                          size="xs"
                          w={150}
                          aria-label={t("tune.kindOf", { name })}
                          data={(KINDS_OF[column?.dtype ?? "string"] ?? []).map((kind) => ({
                            value: kind,
                            label: t(`kinds.${kind}`),
                          }))}
                          allowDeselect={false}
                          error={errorOf(fieldState.error?.message)}
                          {...field}
                        />
                      )}
                    />
                  </td>
                  <td>
                    <Text size="xs" c="dimmed" pt={7}>
                      {reasonOf(column?.reason)}
                    </Text>
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </>
  );
}

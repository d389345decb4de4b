import { Checkbox, Select, Text, TextInput } from "@mantine/core";
import { Controller, useFormContext, useFormState, useWatch } from "react-hook-form";
import { useTranslation } from "react-i18next";
import type { TuneForm } from "./form-model";
import classes from "./Tune.module.css";
import { useFieldError } from "./TuneFields";

/** What each hyperparameter may be. */
export function SpaceField() {
  const { t } = useTranslation();
  const { getValues } = useFormContext<TuneForm>();
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
    <div className={classes.scroll} tabIndex={0} role="group" aria-label={t("tune.space")}>
      <table className={`${classes.table} ${classes.stacked}`}>
        <thead>
          <tr>
            <th scope="col">{t("fields.parameter")}</th>
            <th scope="col">{t("tune.mode")}</th>
            <th scope="col">{t("fields.values")}</th>
            <th scope="col">{t("tune.log")}</th>
          </tr>
        </thead>
        <tbody>
          {getValues("space").map((parameter, index) => (
            <ParameterRow key={parameter.name} name={parameter.name} index={index} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function ParameterRow({ name, index }: { name: string; index: number }) {
  const { t } = useTranslation();
  const errorOf = useFieldError();
  const { control, register } = useFormContext<TuneForm>();
  const { errors } = useFormState<TuneForm>({ control });
  const parameter = useWatch<TuneForm, `space.${number}`>({ name: `space.${index}` });
  const faults = errors.space?.[index];
  const text = (field: "low" | "high" | "step" | "value" | "choices", label: string) => (
    <TextInput
      size="xs"
      className={field === "choices" ? undefined : classes.number}
      aria-label={t("tune.fieldOf", { field: label, name })}
      leftSection={
        field === "choices" || field === "value" ? undefined : (
          <Text span size="xs" c="dimmed">
            {label}
          </Text>
        )
      }
      leftSectionWidth={field === "choices" || field === "value" ? undefined : 52}
      inputMode={field === "choices" || parameter.origin === "categorical" ? undefined : "decimal"}
      error={errorOf(faults?.[field]?.message)}
      {...register(`space.${index}.${field}`)}
    />
  );
  const range = parameter.searched && (parameter.origin === "int" || parameter.origin === "float");
  return (
    <tr>
      <td className={classes.name}>{name}</td>
      <td>
        {parameter.origin === "fixed" ? (
          <Text size="sm" pt={5}>
            {t("tune.modes.fixed")}
          </Text>
        ) : (
          <Controller
            control={control}
            name={`space.${index}.searched`}
            render={({ field: { value, onChange, ...field } }) => (
              <Select
                size="xs"
                w={130}
                aria-label={t("tune.fieldOf", { field: t("tune.mode"), name })}
                allowDeselect={false}
                data={[
                  { value: "searched", label: t("tune.modes.searched") },
                  { value: "fixed", label: t("tune.modes.fixed") },
                ]}
                value={value ? "searched" : "fixed"}
                onChange={(next) => onChange(next === "searched")}
                {...field}
              />
            )}
          />
        )}
      </td>
      <td>
        <div style={{ display: "flex", gap: 8, flexWrap: "wrap" }}>
          {!parameter.searched && text("value", t("tune.value"))}
          {parameter.searched && parameter.origin === "categorical" && text("choices", t("tune.choices"))}
          {range && text("low", t("tune.low"))}
          {range && text("high", t("tune.high"))}
          {range && !parameter.log && text("step", t("tune.step"))}
        </div>
      </td>
      <td data-label={range ? t("tune.log") : undefined}>
        {range && (
          <Checkbox
            pt={6}
            aria-label={t("tune.fieldOf", { field: t("tune.log"), name })}
            {...register(`space.${index}.log`)}
          />
        )}
      </td>
    </tr>
  );
}

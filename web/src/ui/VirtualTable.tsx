import { UnstyledButton } from "@mantine/core";
import { useVirtualizer } from "@tanstack/react-virtual";
import { ArrowDown, ArrowUp } from "lucide-react";
import { type ReactNode, useRef } from "react";
import classes from "./VirtualTable.module.css";

export interface VirtualColumn<T> {
  key: string;
  title: string;
  width: number;
  numeric?: boolean;
  sortable?: boolean;
  render: (row: T) => ReactNode;
}

interface VirtualTableProps<T> {
  label: string;
  columns: readonly VirtualColumn<T>[];
  rows: readonly T[];
  rowKey: (row: T) => string | number;
  height?: number;
  sort?: { key: string; descending: boolean };
  onSort?: (key: string) => void;
  /** A press anywhere in a row; the row must hold a control of its own for the keyboard. */
  onRow?: (row: T) => void;
  isCurrent?: (row: T) => boolean;
}

const ROW = 33;

/** A table of thousands of rows, of which only those in view are drawn. */
export function VirtualTable<T>({
  label,
  columns,
  rows,
  rowKey,
  height = 440,
  sort,
  onSort,
  onRow,
  isCurrent,
}: VirtualTableProps<T>) {
  const frame = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => frame.current,
    estimateSize: () => ROW,
    overscan: 12,
  });
  const items = virtual.getVirtualItems();
  const before = items[0]?.start ?? 0;
  const after = virtual.getTotalSize() - (items.at(-1)?.end ?? 0);
  const width = columns.reduce((sum, column) => sum + column.width, 0);
  return (
    <div
      className={classes.frame}
      ref={frame}
      style={{ maxHeight: height }}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
      tabIndex={0}
      role="group"
      aria-label={label}
    >
      <table
        className={classes.table}
        aria-label={label}
        aria-rowcount={rows.length + 1}
        style={{ minWidth: width }}
      >
        <colgroup>
          {columns.map((column) => (
            <col key={column.key} style={{ width: column.width }} />
          ))}
        </colgroup>
        <thead>
          <tr aria-rowindex={1}>
            {columns.map((column) => {
              const active = sort?.key === column.key;
              const order = active ? (sort?.descending ? "descending" : "ascending") : undefined;
              return (
                <th
                  key={column.key}
                  scope="col"
                  className={column.numeric ? "num" : undefined}
                  aria-sort={column.sortable ? (order ?? "none") : undefined}
                >
                  {column.sortable && onSort ? (
                    <UnstyledButton
                      className={classes.sort}
                      onClick={() => onSort(column.key)}
                      title={column.title}
                    >
                      <span className={classes.title}>{column.title}</span>
                      {order === "descending" && <ArrowDown size={12} aria-hidden />}
                      {order === "ascending" && <ArrowUp size={12} aria-hidden />}
                    </UnstyledButton>
                  ) : (
                    <span className={classes.title}>{column.title}</span>
                  )}
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody>
          {before > 0 && (
            // biome-ignore lint/a11y/noAriaHiddenOnFocusable: nothing in this row can take the focus
            <tr aria-hidden="true" style={{ height: before }}>
              <td colSpan={columns.length} className={classes.gap} />
            </tr>
          )}
          {items.map((item) => {
            const row = rows[item.index];
            if (row === undefined) return null;
            return (
              <tr
                key={rowKey(row)}
                aria-rowindex={item.index + 2}
                data-current={isCurrent?.(row) || undefined}
                data-pressable={onRow ? true : undefined}
                onClick={onRow ? () => onRow(row) : undefined}
                style={{ height: ROW }}
              >
                {columns.map((column) => (
                  <td key={column.key} className={column.numeric ? "num" : undefined}>
                    {column.render(row)}
                  </td>
                ))}
              </tr>
            );
          })}
          {after > 0 && (
            // biome-ignore lint/a11y/noAriaHiddenOnFocusable: nothing in this row can take the focus
            <tr aria-hidden="true" style={{ height: after }}>
              <td colSpan={columns.length} className={classes.gap} />
            </tr>
          )}
        </tbody>
      </table>
    </div>
  );
}

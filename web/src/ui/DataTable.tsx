import { Box, Skeleton, Table } from "@mantine/core";
import type { ReactNode } from "react";
import classes from "./DataTable.module.css";

export interface Column<T> {
  key: string;
  title: ReactNode;
  /** Numbers stand at the right. */
  numeric?: boolean;
  width?: string | number;
  /** Below this it scrolls rather than shrinks. */
  minWidth?: number;
  render: (row: T) => ReactNode;
}

interface DataTableProps<T> {
  /** Names the table to those who cannot see what stands above it. */
  label: string;
  columns: Column<T>[];
  rows: readonly T[] | undefined;
  rowKey: (row: T) => string;
  /** Rows of the skeleton while `rows` is undefined. */
  expected?: number;
  minWidth?: number;
  isCurrent?: (row: T) => boolean;
}

/** A plain table for lists of moderate length, with a skeleton of the coming rows while they load. */
export function DataTable<T>({
  label,
  columns,
  rows,
  rowKey,
  expected = 4,
  minWidth = 560,
  isCurrent,
}: DataTableProps<T>) {
  return (
    <Box className={classes.frame} tabIndex={0} role="group" aria-label={label}>
      <Table className={classes.table} miw={minWidth} aria-label={label} aria-busy={rows === undefined}>
        <Table.Thead>
          <Table.Tr>
            {columns.map((column) => (
              <Table.Th
                key={column.key}
                className={column.numeric ? "num" : undefined}
                w={column.width}
                miw={column.minWidth}
              >
                {column.title}
              </Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {rows === undefined
            ? Array.from({ length: expected }, (_, row) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: the rows of a skeleton are all alike
                <Table.Tr key={row}>
                  {columns.map((column) => (
                    <Table.Td key={column.key}>
                      <Skeleton
                        height={14}
                        width={column.numeric ? "50%" : "75%"}
                        ml={column.numeric ? "auto" : 0}
                      />
                    </Table.Td>
                  ))}
                </Table.Tr>
              ))
            : rows.map((row) => (
                <Table.Tr key={rowKey(row)} data-current={isCurrent?.(row) || undefined}>
                  {columns.map((column) => (
                    <Table.Td key={column.key} className={column.numeric ? "num" : undefined}>
                      {column.render(row)}
                    </Table.Td>
                  ))}
                </Table.Tr>
              ))}
        </Table.Tbody>
      </Table>
    </Box>
  );
}

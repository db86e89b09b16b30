// A list of the API: read part by part, the newest first, with its empty and its broken state.
import { type InfiniteData, type UseInfiniteQueryOptions, useInfiniteQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import type { Part } from "~/api/queries";
import { Button, Failure, Loading } from "./basics";

export interface Column<T> {
  title: string;
  cell: (row: T) => ReactNode;
  align?: "right";
}

// biome-ignore lint/suspicious/noExplicitAny: the key of a list is its own business
type ListQuery<T> = UseInfiniteQueryOptions<Part<T>, Error, InfiniteData<Part<T>>, any, string | undefined>;

interface ListProps<T> {
  query: ListQuery<T>;
  label: string;
  columns: Column<T>[];
  id: (row: T) => string;
  /** What can be done with a row, in its last column. */
  actions?: (row: T) => ReactNode;
  empty: ReactNode;
}

export function List<T>({ query, label, columns, id, actions, empty }: ListProps<T>) {
  const list = useInfiniteQuery(query);
  if (list.isPending) return <Loading lines={6} />;
  if (list.isError && list.data === undefined) {
    return (
      <div className="inside">
        <Failure error={list.error} again={() => list.refetch()} />
      </div>
    );
  }
  const rows = list.data.pages.flatMap((part) => part.data);
  if (rows.length === 0) return empty;
  return (
    <>
      <Table label={label} columns={columns} rows={rows} id={id} actions={actions} />
      {list.hasNextPage && (
        <div className="more">
          <Button size="small" busy={list.isFetchingNextPage} onClick={() => list.fetchNextPage()}>
            Show more
          </Button>
        </div>
      )}
    </>
  );
}

export function Table<T>({
  label,
  columns,
  rows,
  id,
  actions,
}: {
  label: string;
  columns: Column<T>[];
  rows: T[];
  id: (row: T) => string;
  actions?: ((row: T) => ReactNode) | undefined;
}) {
  return (
    // Wider than the screen it scrolls, by keys too.
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable
    <section className="table-box" aria-label={label} tabIndex={0}>
      <table>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column.title} scope="col" className={column.align}>
                {column.title}
              </th>
            ))}
            {actions && (
              <th scope="col">
                <span className="visually-hidden">Actions</span>
              </th>
            )}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={id(row)}>
              {columns.map((column) => (
                <td key={column.title} data-label={column.title} className={column.align}>
                  {column.cell(row)}
                </td>
              ))}
              {actions && <td className="actions">{actions(row)}</td>}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

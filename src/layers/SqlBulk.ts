/**
 * Statements over many rows whose values are partly the same for all of them.
 *
 * What is the same is bound once, what differs comes as one JSON parameter: the text of a statement never changes, so that it is
 * prepared once, and a row costs what is its own. Each value that SQLite takes out of JSON costs about 1.4 microseconds, which
 * for wide rows is most of what writing them costs.
 */

/** A column (or an assignment) with the value it gets. */
export type Value<Row> = readonly [target: string, of: (row: Row) => unknown]

export interface Bulk<Row> {
  readonly statement: string
  /** Bound as they are, in order; `rows` takes the place of the JSON of the rows. */
  readonly shared: ReadonlyArray<(row: Row) => unknown>
  /** How many of those come before the rows. */
  readonly before: number
  readonly own: ReadonlyArray<(row: Row) => unknown>
}

/** Rows that are written by one call, with its parameters. */
export interface Call<Row> {
  readonly rows: ReadonlyArray<Row>
  readonly parameters: ReadonlyArray<unknown>
}

/** What is each row's own, as columns of a table `j`. */
const table = <Row>(own: ReadonlyArray<Value<Row>>): string =>
  `(SELECT ${own.map(([column], i) => `json_extract(value, '$[${i}]') AS ${column}`).join(", ")} FROM json_each(?)) AS j`

/** Inserts rows; `derived` are expressions over what is a row's own (as `j`). */
export const insert = <Row>(
  into: string,
  own: ReadonlyArray<Value<Row>>,
  shared: ReadonlyArray<Value<Row>>,
  derived: ReadonlyArray<readonly [column: string, expression: string]> = []
): Bulk<Row> => {
  const plain = own.filter(([column]) => !derived.some(([other]) => other === column))
  const columns = [...shared, ...plain, ...derived].map(([column]) => column)
  const values = [
    ...shared.map(() => "?"),
    ...plain.map(([column]) => `j.${column}`),
    ...derived.map(([, expression]) => expression)
  ]
  return {
    statement: `${into} (${columns.join(", ")}) SELECT ${values.join(", ")} FROM ${table(own)}`,
    shared: shared.map(([, of]) => of),
    before: shared.length,
    own: own.map(([, of]) => of)
  }
}

/**
 * Updates rows of a table by `id`, the first of what is their own, where a guard column still has the value it had; returns the ids
 * of those. Shared targets are assignments with one `?`.
 */
export const update = <Row>(
  name: string,
  own: ReadonlyArray<Value<Row>>,
  shared: ReadonlyArray<Value<Row>>,
  guard: Value<Row>
): Bulk<Row> => ({
  statement: `UPDATE ${name} SET ${[
    ...shared.map(([assignment]) => assignment),
    ...own.slice(1).map(([column]) => `${column} = j.${column}`)
  ].join(", ")} FROM ${table(own)} WHERE ${name}.id = j.id AND ${name}.${guard[0]} = ? RETURNING ${name}.id`,
  shared: [...shared.map(([, of]) => of), guard[1]],
  before: shared.length,
  own: own.map(([, of]) => of)
})

interface Group<Row> {
  readonly shared: ReadonlyArray<unknown>
  readonly rows: Array<Row>
}

/** The calls that write these rows: those that share everything are written together. */
export const calls = <Row>(bulk: Bulk<Row>, rows: ReadonlyArray<Row>): ReadonlyArray<Call<Row>> => {
  const groups = new Map<string, Group<Row>>()
  let last: Group<Row> | undefined
  for (const row of rows) {
    const shared = bulk.shared.map((of) => of(row))
    // mostly all are alike
    if (last !== undefined && shared.every((value, i) => value === last!.shared[i])) {
      last.rows.push(row)
      continue
    }
    const key = rows.length === 1 ? "" : JSON.stringify(shared)
    const group = groups.get(key)
    last = group ?? { shared, rows: [] }
    last.rows.push(row)
    if (group === undefined) groups.set(key, last)
  }
  return Array.from(groups.values(), ({ rows, shared }) => ({
    rows,
    parameters: [
      ...shared.slice(0, bulk.before),
      JSON.stringify(rows.map((row) => bulk.own.map((of) => of(row)))),
      ...shared.slice(bulk.before)
    ]
  }))
}

/**
 * A tracer that keeps every span, for tests that look at them.
 */
import * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Tracer from "effect/Tracer"

const native = Context.get(DefaultServices.liveServices, Tracer.Tracer)

export const make = () => {
  const spans: Array<Tracer.Span> = []
  const tracer = Tracer.make({
    span: (...about) => {
      const span = native.span(...about)
      spans.push(span)
      return span
    },
    context: native.context
  })
  const parentOf = ({ parent }: Tracer.Span) => (parent._tag === "Some" ? parent.value : undefined)
  /** Those of ours, each below its parent, as lines. */
  const tree = (): ReadonlyArray<string> => {
    const depth = (span: Tracer.Span): number => {
      const parent = parentOf(span)
      return parent?._tag === "Span" ? 1 + depth(parent) : 0
    }
    const ended = ({ status }: Tracer.Span) =>
      status._tag === "Started"
        ? "open"
        : Exit.isSuccess(status.exit)
          ? "ok"
          : Exit.isInterrupted(status.exit)
            ? "interrupted"
            : "failed"
    return spans
      .filter(({ name }) => name.startsWith("sluice.") || name === "GET")
      .map((span) => `${"  ".repeat(depth(span))}${span.name} ${ended(span)}`)
  }
  const named = (name: string) =>
    spans.filter((span) => span.name === name).map(({ attributes }) => Object.fromEntries(attributes))
  return { layer: Layer.setTracer(tracer), spans, tree, named }
}

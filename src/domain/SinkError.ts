/**
 * What a program's own sink answers where it could not do what it was asked for. What follows from it, for the batch and its
 * downloads, is decided by the layer that hands batches over.
 */
import * as Schema from "effect/Schema"

/** A sink could not write a batch, or could not say what it has. */
export class SinkError extends Schema.TaggedError<SinkError>()("SinkError", {
  /** What happened, as a sentence without a full stop; free of secrets. */
  detail: Schema.String,
  /** To try again would not help: what is handed over is refused for good. @default false */
  permanent: Schema.optionalWith(Schema.Boolean, { default: () => false })
}) {
  override get message(): string {
    return this.detail
  }
}

/** What a sink fails with: `detail` as a sentence without a full stop; `permanent` where trying again would not help. */
export const make = (detail: string, permanent = false): SinkError => new SinkError({ detail, permanent })

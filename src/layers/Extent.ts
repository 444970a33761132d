/**
 * How far a part file reaches, by all that its writers have had written: while we write, it can only be shorter if somebody else
 * has cut it. The next write would then lengthen it again, over a hole of zeros that looks like what was there.
 *
 * A cut between a look and the write that follows it goes unnoticed where that write ends farthest; it can't be told then.
 */
import { FileError } from "../domain/FileError.js"

export class Extent {
  /** `onCut` is told at once, before anything else can happen. */
  constructor(
    /** The highest offset that anything was written up to. */
    public end: number,
    private readonly path: () => string,
    private readonly onCut: (error: FileError) => void = () => {}
  ) {}

  reached(end: number): void {
    if (end > this.end) this.end = end
  }

  /** What is wrong with a file of this size that reached so far before it was looked at. */
  faultIn(size: number, reached: number): FileError | undefined {
    if (size >= reached) return undefined
    const error = new FileError({ reason: "Changed", operation: "go on with", path: this.path() })
    this.onCut(error)
    return error
  }
}

/**
 * A file system of its own in a loop-mounted ext4 image, whose power can be cut: what has not reached the "disk" by then is gone
 * when it is mounted again. It is the file system's own emergency stop (EXT4_IOC_SHUTDOWN without a flush of its log), so only
 * root can do it, on Linux, with loop devices; elsewhere a test that needs it is skipped, and says so. What a disk does
 * to writes that it has taken and not flushed is not part of it.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { execFile } from "node:child_process"
import * as fs from "node:fs"
import { join } from "node:path"
import type { TestContext } from "vitest"
import { skip } from "./Mounts.js"

export interface Image {
  /** Where it is mounted. */
  readonly directory: string
  /** Nothing that is not on the disk by now will be. Whoever has files open there gets errors from then on. */
  readonly cut: Effect.Effect<void>
  /** Mounts it again, when nobody has a file open there; all of it is on the disk then, if there was no cut. */
  readonly mount: Effect.Effect<void>
}

/** Succeeds with what is wrong, if anything is. */
const run = (file: string, ...args: ReadonlyArray<string>): Effect.Effect<string | undefined> =>
  Effect.async((resume) => {
    execFile(file, args, (error, _stdout, stderr) => {
      resume(Effect.succeed(error === null ? undefined : stderr.trim() || error.message))
    })
  })

const orDie = (problem: Effect.Effect<string | undefined>): Effect.Effect<void> =>
  Effect.flatMap(problem, (text) => (text === undefined ? Effect.void : Effect.die(new Error(text))))

/** EXT4_IOC_SHUTDOWN; 2 is EXT4_GOING_FLAGS_NOLOGFLUSH. Node has no ioctl. */
const helpers: ReadonlyArray<readonly [file: string, ...args: ReadonlyArray<string>]> = [
  [
    "perl",
    "-e",
    'open(my $d, "<", $ARGV[0]) or die "$!\\n"; my $how = pack("L", 2); ioctl($d, 0x8004587d, $how) or die "$!\\n"'
  ],
  [
    "python3",
    "-c",
    "import fcntl, os, struct, sys; fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))"
  ]
]

/** The first helper whose program is there. */
const findHelper = Effect.findFirst(helpers, ([file]) =>
  Effect.map(run(file, "--version"), (problem) => problem === undefined)
)

const canary = 1 << 20

/** An empty file system of so many MiB, mounted until the scope closes. */
export const make = (
  context: TestContext,
  root: string,
  mebibytes: number
): Effect.Effect<Image, never, Scope.Scope> =>
  Effect.gen(function* () {
    const unable = (why: string) => skip(context, `the power can't be cut here (${why.split("\n")[0]})`)
    if (process.platform !== "linux" || process.getuid?.() !== 0)
      return yield* unable("this takes root, on Linux")
    const helper = yield* findHelper
    if (helper._tag === "None") return yield* unable("neither perl nor python3 is there")
    const [file, directory] = [join(root, "disk.img"), join(root, "disk")]
    fs.writeFileSync(file, "")
    fs.truncateSync(file, mebibytes << 20)
    fs.mkdirSync(directory)
    const made = yield* run("mkfs.ext4", "-q", "-F", file)
    if (made !== undefined) return yield* unable(made)
    const mounted = yield* Effect.acquireRelease(run("mount", "-o", "loop", file, directory), (problem) =>
      problem === undefined ? run("umount", "--lazy", directory) : Effect.void
    )
    if (mounted !== undefined) return yield* unable(mounted)

    const [program, ...args] = helper.value
    const witness = join(directory, "never-synced")
    let wasCut = false
    const tryCut = Effect.suspend(() => {
      fs.writeFileSync(witness, Buffer.alloc(canary, 1))
      wasCut = true
      return run(program, ...args, directory)
    })
    const unmount = orDie(run("umount", directory)).pipe(
      // a process that was killed may take a moment to let go
      Effect.sandbox,
      Effect.retry(Schedule.spaced("20 millis").pipe(Schedule.upTo("10 seconds"))),
      Effect.unsandbox
    )
    const mount = Effect.gen(function* () {
      yield* unmount
      yield* orDie(run("mount", "-o", "loop", file, directory))
      if (!wasCut) return
      wasCut = false
      // or it was no power cut, and proves nothing
      const survived = fs.existsSync(witness) && fs.readFileSync(witness).equals(Buffer.alloc(canary, 1))
      if (survived) return yield* Effect.die(new Error("what was never synced has survived the cut"))
      fs.rmSync(witness, { force: true })
    })
    const trial = yield* tryCut
    if (trial !== undefined) return yield* unable(trial)
    yield* mount
    return { directory, cut: orDie(tryCut), mount }
  })

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'

/** A regular file (`string`, `Uint8Array`), another mode, or `null`: removed. For a submodule `content` is the commit. */
export type FileSpec = string | Uint8Array | { mode: '100644' | '100755' | '120000' | '160000'; content: string } | null

/** One commit. Files not named stay as they were in the parent (the tip of `branch`). */
export interface CommitSpec {
  files: Record<string, FileSpec>
  /** Files whose names are no UTF-8. */
  rawFiles?: readonly { path: Uint8Array; file: FileSpec }[]
  /** Branch the commit goes to; default `main`. */
  branch?: string
  /** Where a new branch begins: a branch, or any commit that exists before the call; default is no parent. */
  from?: string
  /** Lightweight tags on this commit. */
  tags?: readonly string[]
  /** Annotated tags on this commit. */
  annotatedTags?: readonly string[]
  /** Committer date, Unix seconds; default one minute after the commit before. */
  date?: number
  /** Author date, Unix seconds; default the committer date. */
  authorDate?: number
  message?: string
}

/** A whole repository. `head` is the branch that HEAD names; default `main`, whether it exists or not. */
export interface RepositorySpec {
  commits: readonly CommitSpec[]
  head?: string
  objectFormat?: 'sha1' | 'sha256'
}

const FIRST_DATE = 1_700_000_000

const ENVIRONMENT = {
  PATH: process.env.PATH ?? '',
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_AUTHOR_NAME: 'Ann Author',
  GIT_AUTHOR_EMAIL: 'ann@example.org',
  GIT_COMMITTER_NAME: 'Carl Committer',
  GIT_COMMITTER_EMAIL: 'carl@example.org',
  GIT_AUTHOR_DATE: `${FIRST_DATE} +0000`,
  GIT_COMMITTER_DATE: `${FIRST_DATE} +0000`,
  LC_ALL: 'C',
  TZ: 'UTC',
}

/** A bare repository on disk that tests change as a maintainer would. Same spec, same object ids, on every machine. */
export class TestGitRepository {
  readonly path: string
  #nextDate = FIRST_DATE
  readonly #branches = new Set<string>()

  constructor(path: string) {
    this.path = path
  }

  /** Runs git in the repository; returns standard output, throws with standard error when git fails. */
  git(args: readonly string[], input?: Uint8Array | string): string {
    return new TextDecoder().decode(this.gitBytes(args, input)).replace(/\n$/, '')
  }

  /** As `git`, for output that is no text. */
  gitBytes(args: readonly string[], input?: Uint8Array | string): Uint8Array {
    const stdin = input === undefined ? 'ignore' : typeof input === 'string' ? new TextEncoder().encode(input) : input
    const run = Bun.spawnSync(['git', ...args], { cwd: this.path, env: ENVIRONMENT, stdin })
    if (!run.success) throw new Error(`git ${args.join(' ')}: ${run.stderr.toString()}`)
    return run.stdout
  }

  /** Adds commits in one go; returns their ids in order. */
  commit(...commits: readonly CommitSpec[]): string[] {
    const stream = new FastImportStream()
    const marks = new Map<string, number>()
    for (const [index, spec] of commits.entries()) {
      const branch = spec.branch ?? 'main'
      const date = spec.date ?? this.#nextDate
      this.#nextDate = Math.max(this.#nextDate, date) + 60
      const parent = this.#branches.has(branch) ? branch : spec.from
      const from = this.#startingPoint(parent, marks)
      stream.commit(spec, branch, index + 1, date, from)
      this.#branches.add(branch)
      marks.set(branch, index + 1)
    }
    for (const index of commits.keys()) stream.line(`get-mark :${index + 1}`)
    return this.git(['fast-import', '--quiet', '--date-format=raw', '--force'], stream.bytes()).split('\n')
  }

  #startingPoint(parent: string | undefined, marks: ReadonlyMap<string, number>): string | undefined {
    const mark = marks.get(parent ?? '')
    if (mark !== undefined) return `:${mark}`
    return this.#branches.has(parent ?? '') ? `refs/heads/${parent}^0` : parent
  }

  /** Creates or moves a lightweight tag. `target` is anything git can name: commit, tag, tree or blob. */
  tag(name: string, target: string): void {
    this.setRef(`refs/tags/${name}`, target)
  }

  /** Creates or moves an annotated tag; the target may be another tag, a tree or a blob. Returns the tag object's id. */
  annotatedTag(name: string, target: string, message = `Release ${name}`): string {
    this.git(['tag', '-a', '-f', '-m', message, name, target])
    return this.resolve(`refs/tags/${name}`)
  }

  deleteTag(name: string): void {
    this.git(['update-ref', '-d', `refs/tags/${name}`])
  }

  /** Creates or moves a branch. */
  branch(name: string, target: string): void {
    this.setRef(`refs/heads/${name}`, target)
    this.#branches.add(name)
  }

  deleteBranch(name: string): void {
    this.git(['update-ref', '-d', `refs/heads/${name}`])
    this.#branches.delete(name)
  }

  /** Makes HEAD name a branch. */
  setHead(branch: string): void {
    this.git(['symbolic-ref', 'HEAD', `refs/heads/${branch}`])
  }

  setRef(name: string, target: string): void {
    this.git(['update-ref', name, this.resolve(target)])
  }

  /** The object id of anything git can name. */
  resolve(name: string): string {
    return this.git(['rev-parse', '--verify', name])
  }
}

/** Makes a bare repository at `path` (a new directory) in two short git runs. */
export function createGitRepository(path: string, spec: RepositorySpec): TestGitRepository {
  mkdirSync(path, { recursive: true })
  const repository = new TestGitRepository(path)
  const format = spec.objectFormat ?? 'sha1'
  repository.git(['init', '--quiet', '--bare', '--template=', `--object-format=${format}`, '-b', spec.head ?? 'main'])
  if (spec.commits.length > 0) repository.commit(...spec.commits)
  return repository
}

/** A repository with the given files on `main`, in a directory below `root`. */
export function createSimpleRepository(root: string, name: string, files: Record<string, FileSpec>): TestGitRepository {
  return createGitRepository(join(root, name), { commits: [{ files }] })
}

class FastImportStream {
  readonly #chunks: Uint8Array[] = []
  readonly #encoder = new TextEncoder()

  line(text: string): void {
    this.#chunks.push(this.#encoder.encode(`${text}\n`))
  }

  data(content: Uint8Array | string): void {
    const bytes = typeof content === 'string' ? this.#encoder.encode(content) : content
    this.line(`data ${bytes.length}`)
    this.#chunks.push(bytes)
    this.line('')
  }

  commit(spec: CommitSpec, branch: string, mark: number, date: number, from: string | undefined): void {
    this.line(`commit refs/heads/${branch}`)
    this.line(`mark :${mark}`)
    this.line(`author Ann Author <ann@example.org> ${spec.authorDate ?? date} +0000`)
    this.line(`committer Carl Committer <carl@example.org> ${date} +0000`)
    this.data(spec.message ?? `Commit ${date}`)
    if (from !== undefined) this.line(`from ${from}`)
    for (const [path, file] of Object.entries(spec.files)) this.file(this.#encoder.encode(path), file)
    for (const { path, file } of spec.rawFiles ?? []) this.file(path, file)
    this.line('')
    for (const tag of spec.tags ?? []) {
      this.line(`reset refs/tags/${tag}`)
      this.line(`from :${mark}\n`)
    }
    for (const tag of spec.annotatedTags ?? []) {
      this.line(`tag ${tag}`)
      this.line(`from :${mark}`)
      this.line(`tagger Carl Committer <carl@example.org> ${date} +0000`)
      this.data(`Release ${tag}`)
    }
  }

  file(path: Uint8Array, file: FileSpec): void {
    const quoted = quotePath(path)
    if (file === null) {
      this.line(`D ${quoted}`)
      return
    }
    const { mode, content } =
      typeof file === 'string' || file instanceof Uint8Array ? { mode: '100644', content: file } : file
    if (mode === '160000') {
      this.line(`M 160000 ${content} ${quoted}`)
      return
    }
    this.line(`M ${mode} inline ${quoted}`)
    this.data(content)
  }

  bytes(): Uint8Array {
    return Buffer.concat(this.#chunks)
  }
}

function quotePath(path: Uint8Array): string {
  let quoted = ''
  for (const byte of path) {
    const plain = byte > 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c
    quoted += plain ? String.fromCharCode(byte) : `\\${byte.toString(8).padStart(3, '0')}`
  }
  return `"${quoted}"`
}

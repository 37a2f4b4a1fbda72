import type { TestGitRepository } from './git-repository.ts'

/** A file as `git archive` holds it. `path` has one character per byte; `content` is a link's target for 0o120000. */
export interface ArchivedFile {
  path: string
  mode: number
  content: Uint8Array
}

/**
 * The files that real git puts into an archive of a commit, sorted by the bytes of their paths; of a directory in it,
 * with paths from there on.
 */
export function archivedFiles(repository: TestGitRepository, commit: string, directory = ''): ArchivedFile[] {
  const only = directory === '' ? [] : [directory]
  const tar = Buffer.from(repository.gitBytes(['archive', '--format=tar', commit, ...only]))
  const below = Buffer.from(directory === '' ? '' : `${directory}/`).toString('latin1')
  const files = filesIn(tar).map((file) => ({ ...file, path: file.path.slice(below.length) }))
  return files.sort((a, b) => (a.path < b.path ? -1 : 1))
}

function filesIn(tar: Buffer): ArchivedFile[] {
  const files: ArchivedFile[] = []
  let extended: Record<string, string> = {}
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0; ) {
    const field = (start: number, length: number) =>
      tar.toString('latin1', at + start, at + start + length).split('\0')[0] ?? ''
    const size = Number.parseInt(field(124, 12), 8)
    const content = new Uint8Array(tar.subarray(at + 512, at + 512 + size))
    const type = field(156, 1)
    const prefix = field(345, 155)
    const path = extended.path ?? (prefix === '' ? field(0, 100) : `${prefix}/${field(0, 100)}`)
    if (type === 'x') extended = extendedHeader(Buffer.from(content).toString('latin1'))
    else if (type !== 'g') {
      const executable = (Number.parseInt(field(100, 8), 8) & 0o100) !== 0
      if (type === '0') files.push({ path, mode: executable ? 0o100755 : 0o100644, content })
      if (type === '2') {
        const target = extended.linkpath ?? field(157, 100)
        files.push({ path, mode: 0o120000, content: new Uint8Array(Buffer.from(target, 'latin1')) })
      }
      extended = {}
    }
    at += 512 + Math.ceil(size / 512) * 512
  }
  return files
}

/** Lines of a pax header: `<length> <key>=<value>`. */
function extendedHeader(text: string): Record<string, string> {
  const values: Record<string, string> = {}
  for (let at = 0; at < text.length; ) {
    const length = Number.parseInt(text.slice(at), 10)
    const line = text.slice(at, at + length - 1)
    const entry = line.slice(line.indexOf(' ') + 1)
    values[entry.slice(0, entry.indexOf('='))] = entry.slice(entry.indexOf('=') + 1)
    at += length
  }
  return values
}

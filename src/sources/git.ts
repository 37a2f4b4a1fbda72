import type { CommitFiles, FoundFile } from '../git/file-reading.ts'
import { directoryOf } from '../git/path-walk.ts'
import { GitRepository } from '../git/repository.ts'
import type { ServerMemory } from '../git/server-memory.ts'
import type { GitTransport } from '../git/transport.ts'
import { shownPath } from '../git/tree-walk.ts'
import { Pacer } from '../pacer.ts'
import type { CommitManifests, ManifestFile, Source } from './source.ts'

const MANIFEST = 'composer.json'
const HEADS = 'refs/heads/'
/** Bytes of the name of a package's directory. */
const LONGEST_DIRECTORY = 250

/** Any git repository that a transport reaches; `memory` is what is known of its server. */
export function gitSource(transport: GitTransport, memory?: ServerMemory): Source {
  const repository = new GitRepository(transport, {}, memory)
  return {
    async refs(signal) {
      const list = await repository.listRefs(signal)
      return {
        refs: list.refs.map(({ name, commit }) => ({ name, commit })),
        defaultBranch: list.head?.name?.startsWith(HEADS) ? list.head.name.slice(HEADS.length) : null,
        skipped: list.skipped.map(({ name, reason }) => ({ ref: name, reason })),
      }
    },
    async manifests(commits, globs, known, signal) {
      const files = await repository.readFiles(globs.length === 0 ? [MANIFEST] : globs, commits, signal, known)
      const manifests = new Map<string, CommitManifests>()
      const pace = new Pacer(signal)
      for (const [commit, found] of files) {
        manifests.set(commit, commitManifests(found))
        await pace.step()
      }
      return manifests
    },
    snapshot: (commit, path, signal) => repository.snapshot(commit, signal, path),
    close: () => repository.close(),
  }
}

function commitManifests(found: CommitFiles): CommitManifests {
  const { commit } = found
  switch (found.kind) {
    case 'files':
      return { commit, committedAt: found.committedAt, files: found.files.map(manifestFile), problem: null }
    case 'too_many':
      return { commit, committedAt: found.committedAt, files: [], problem: found.reason }
    case 'unreadable':
      return { commit, committedAt: 0, files: [], problem: found.reason }
  }
}

function manifestFile({ path: bytes, blob, content, tooLarge }: FoundFile): ManifestFile {
  const directory = directoryOf(bytes)
  const path = shownPath(directory)
  const useless = { path, blob: null, content: null }
  if (tooLarge) return { ...useless, problem: 'composer.json is larger than 1 MiB.' }
  // The name stands in the database, in issues and in what people read, so it has to be one text everywhere.
  if (directory.length > LONGEST_DIRECTORY || Buffer.from(path, 'utf8').toString('latin1') !== directory) {
    return { ...useless, problem: 'The name of the directory is too long, or not plain text in UTF-8.' }
  }
  return { path, blob, content, problem: null }
}

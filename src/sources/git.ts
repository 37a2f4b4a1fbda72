import type { CommitFile } from '../git/file-reading.ts'
import { GitRepository } from '../git/repository.ts'
import type { ObjectId } from '../git/snapshot.ts'
import type { GitTransport } from '../git/transport.ts'
import type { ManifestFile, Source } from './source.ts'

const MANIFEST = 'composer.json'
const HEADS = 'refs/heads/'

/** Any git repository that a transport reaches. */
export function gitSource(transport: GitTransport): Source {
  const repository = new GitRepository(transport)
  return {
    async refs(signal) {
      const list = await repository.listRefs(signal)
      return {
        refs: list.refs.map(({ name, commit }) => ({ name, commit })),
        defaultBranch: list.head?.name?.startsWith(HEADS) ? list.head.name.slice(HEADS.length) : null,
        skipped: list.skipped.map(({ name, reason }) => ({ ref: name, reason })),
      }
    },
    async manifests(commits, known, signal) {
      const files = await repository.readFile(MANIFEST, commits, signal, known)
      return new Map([...files].map(([commit, file]) => [commit, manifestFile(commit, file)]))
    },
    snapshot: (commit, signal) => repository.snapshot(commit, signal),
    close: () => repository.close(),
  }
}

function manifestFile(commit: ObjectId, file: CommitFile): ManifestFile {
  const nothing = { commit, committedAt: 0, blob: null, content: null, problem: null }
  switch (file.kind) {
    case 'file':
      return { ...nothing, committedAt: file.committedAt, blob: file.blob, content: file.content }
    case 'absent':
      return { ...nothing, committedAt: file.committedAt }
    case 'too_large':
      return { ...nothing, committedAt: file.committedAt, problem: 'composer.json is larger than 1 MiB.' }
    case 'unreadable':
      return { ...nothing, problem: file.reason }
  }
}
